"""What people said of flags, folded for the quality figures: who judged what, and what stood.

Pure functions over flags and their verdicts; where the numbers come from is `estimates`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Final

from schemas.decisions import Verdict
from workers.console.estimates import (
    Estimate,
    Rated,
    Watched,
    cohen_kappa,
    krippendorff_alpha,
    recall,
    wilson,
)
from workers.review.history import DecisionEvent, EventKind, FlagFacts, standing

NOT_VIOLENT: Final = "not violent"
PAIRS_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Judgement:
    """One verdict of one person; `policy` where it was violent."""

    reviewer: str
    verdict: Verdict
    policy: str | None = None

    @property
    def said(self) -> str:
        """The policy that it names, or `not violent`."""
        return self.policy or NOT_VIOLENT


@dataclass(frozen=True, slots=True)
class Judged:
    """A flag with all that people said of it.

    Attributes:
        flag_id: The flag.
        stream_id: Its stream.
        model_version: `model version` that raised it.
        opened_at: Capture time of the look that opened it.
        looks: Scored frames in it.
        judgements: In order; undone ones are not among them.
        is_final: Whether the last of them closed the flag.
        probability: Where it is an audit sample of what was not flagged, the chance with which
            it was drawn.
    """

    flag_id: str
    stream_id: str
    model_version: str
    opened_at: datetime
    looks: int
    judgements: tuple[Judgement, ...]
    is_final: bool = True
    probability: float | None = None

    @property
    def final(self) -> Judgement | None:
        return self.judgements[-1] if self.is_final and self.judgements else None

    @property
    def independent(self) -> tuple[Judgement, ...]:
        """The first two that were given blind; whoever decides after an `unsure` knows of it."""
        blind: list[Judgement] = []
        for judgement in self.judgements[:2]:
            if judgement.verdict is Verdict.UNSURE:
                break
            blind.append(judgement)
        return tuple(blind)


def judged_from(events: Iterable[DecisionEvent]) -> list[Judged]:
    """Flags with the verdicts on them that were not taken back, in the order of the first one."""
    by_flag: dict[str, list[DecisionEvent]] = {}
    for event in standing(events):
        by_flag.setdefault(event.flag_id, []).append(event)
    return [
        _judged(facts, said)
        for said in by_flag.values()
        if (facts := said[-1].facts) is not None  # a flag that retention took says nothing
    ]


def _judged(facts: FlagFacts, events: Sequence[DecisionEvent]) -> Judged:
    return Judged(
        flag_id=events[-1].flag_id,
        stream_id=facts.stream_id,
        model_version=f"{facts.model} {facts.model_version}",
        opened_at=facts.opened_at,
        looks=facts.looks,
        judgements=tuple(
            Judgement(event.reviewer, event.decision.verdict, event.decision.policy)
            for event in events
            if event.decision is not None
        ),
        is_final=events[-1].kind is EventKind.DECISION,
        probability=facts.audit.probability if facts.audit else None,
    )


def agreement(flags: Iterable[Judged]) -> Estimate:
    """Krippendorff's alpha over flags that two people judged blind."""
    return krippendorff_alpha(
        Rated(flag.stream_id, tuple(one.verdict.value for one in flag.independent))
        for flag in flags
    )


def agreement_of_pairs(flags: Iterable[Judged]) -> list[tuple[str, str, Estimate]]:
    """Cohen's kappa of each two people who judged the same flags, the best known pairs first."""
    found: dict[tuple[str, str], list[Rated]] = {}
    for flag in flags:
        if len(flag.independent) < 2:
            continue
        both = sorted(flag.independent, key=lambda one: one.reviewer)
        verdicts = tuple(one.verdict.value for one in both)
        pair = (both[0].reviewer, both[1].reviewer)
        found.setdefault(pair, []).append(Rated(flag.stream_id, verdicts))
    known = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(*pair, cohen_kappa(rated)) for pair, rated in known[:PAIRS_SHOWN]]


@dataclass(frozen=True, slots=True)
class Overturned:
    """How often a first verdict under one policy did not stand.

    Attributes:
        policy: What the first verdict said: a policy, or `not violent`.
        share: Of the flags that another person judged after it, those that ended otherwise.
        other_policy: Flags that stayed violent, under another policy.
    """

    policy: str
    share: Estimate
    other_policy: int


def overturned(flags: Iterable[Judged]) -> list[Overturned]:
    """For each policy: first verdicts that another person's final one changed."""
    changes: dict[str, list[tuple[bool, bool]]] = {}
    for flag in flags:
        final = flag.final
        first = next((one for one in flag.judgements if one.verdict is not Verdict.UNSURE), None)
        if final is None or first is None or first.reviewer == final.reviewer:
            continue
        turned = first.verdict is not final.verdict
        changes.setdefault(first.said, []).append((turned, not turned and first.said != final.said))
    return [
        Overturned(
            policy,
            wilson(sum(turned for turned, _ in all_), len(all_)),
            sum(moved for _, moved in all_),
        )
        for policy, all_ in sorted(changes.items(), key=lambda item: (item[0] == NOT_VIOLENT, item))
    ]


@dataclass(frozen=True, slots=True)
class Span:
    """Flags that opened from `starts_at` on, for one step of time; and how precise they were."""

    starts_at: datetime
    precision: Estimate
    violent: int


def precision(flags: Iterable[Judged]) -> Estimate:
    """Share of the model's decided flags that people found violent; audit samples are not its."""
    finals = [flag.final for flag in flags if flag.probability is None]
    said = [final.verdict is Verdict.VIOLENT for final in finals if final is not None]
    return wilson(sum(said), len(said))


def precision_over_time(
    flags: Iterable[Judged], first: datetime, last: datetime, step: timedelta
) -> list[Span]:
    """Precision in steps of equal length; steps without a decided flag have no number."""
    by_step: dict[int, list[Judged]] = {}
    for flag in flags:
        by_step.setdefault((flag.opened_at - first) // step, []).append(flag)
    spans = []
    for number in range(max(1, -((first - last) // step))):
        found = precision(by_step.get(number, ()))
        violent = round((found.value or 0.0) * found.n)
        spans.append(Span(first + number * step, found, violent))
    return spans


def precision_by_version(flags: Iterable[Judged]) -> list[tuple[str, Estimate]]:
    ordered = sorted(
        (flag for flag in flags if flag.probability is None and flag.final is not None),
        key=lambda flag: flag.model_version,
    )
    grouped = groupby(ordered, key=lambda flag: flag.model_version)
    return [(version, precision(list(found))) for version, found in grouped]


def versions_that_began(flags: Iterable[Judged]) -> list[tuple[str, datetime]]:
    """Versions whose first flag came after that of another one: where a model was changed."""
    began: dict[str, datetime] = {}
    for flag in flags:
        began[flag.model_version] = min(
            flag.opened_at, began.get(flag.model_version, flag.opened_at)
        )
    return sorted(began.items(), key=lambda item: item[1])[1:]


def estimated_recall(flags: Sequence[Judged]) -> Estimate:
    """Share of the violent scored frames that lay inside a flag, from audit samples."""
    watched = [
        Watched(
            flag.stream_id,
            flag.looks,
            flag.final.verdict is Verdict.VIOLENT,
            flag.probability or 1.0,
            audited=flag.probability is not None,
        )
        for flag in flags
        if flag.final is not None
    ]
    return recall(watched)


def start_of(step: timedelta, moment: datetime) -> datetime:
    """The whole hour or day in UTC at or before a moment."""
    moment = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return moment if step < timedelta(days=1) else moment.replace(hour=0)
