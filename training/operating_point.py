"""Chooses the decision rule's constants by running that very rule over scored takes.

A true incident is flagged if an incident of the rule opens, or is open, between its start and
`GRACE_S` after its end. A flag is false if it touches neither a true incident (with that grace)
nor ambiguous time. The delay runs from the true start to the flag; an incident that starts under
an open flag has a delay of zero.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engines.decision import Change, DecisionState, Incident, IncidentRule, Look, observe
from schemas.bundles import OperatingPoint
from training.gameplay import Span

GRACE_S = 2.0


@dataclass(frozen=True, slots=True)
class ScoredTake:
    """Scores of one take at the worker's rate, with its truth; times in seconds."""

    name: str
    times_s: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    incidents: tuple[Span, ...]
    ambiguous: tuple[Span, ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class TakeOutcome:
    """What the rule made of one take; `delays_s` has one entry per flagged true incident."""

    incidents: int
    flagged: int
    false: int
    delays_s: tuple[float, ...]
    duration_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """Takes together."""

    takes: tuple[TakeOutcome, ...]

    @property
    def recall(self) -> float:
        return self.flagged / max(1, self.incidents)

    @property
    def incidents(self) -> int:
        return sum(take.incidents for take in self.takes)

    @property
    def flagged(self) -> int:
        return sum(take.flagged for take in self.takes)

    @property
    def false(self) -> int:
        return sum(take.false for take in self.takes)

    @property
    def hours(self) -> float:
        return sum(take.duration_s for take in self.takes) / 3600

    @property
    def false_per_hour(self) -> float:
        return self.false / self.hours

    @property
    def median_delay_s(self) -> float:
        delays = [delay for take in self.takes for delay in take.delays_s]
        return float(np.median(delays)) if delays else float("inf")


def incidents_of(take: ScoredTake, rule: IncidentRule) -> list[Incident]:
    """Every incident that the rule opens on a take, as it was last seen."""
    state, found = DecisionState(), dict[str, Incident]()
    for index, (at_s, score) in enumerate(zip(take.times_s, take.scores, strict=True)):
        state, changes = observe(state, Look(float(at_s), float(score)), rule, key=str(index))
        for transition in changes:
            if transition.change is not Change.CLOSED:
                found[transition.incident.key] = transition.incident
    return list(found.values())


def judged(take: ScoredTake, rule: IncidentRule) -> TakeOutcome:
    """Compares the rule's incidents with the truth of one take."""
    flags = incidents_of(take, rule)
    delays = [
        max(0.0, min(flag.opened_s for flag in seen) - start)
        for start, end in take.incidents
        if (seen := [f for f in flags if _touch((f.opened_s, f.last_s), (start, end + GRACE_S))])
    ]
    excuses = [(start, end + GRACE_S) for start, end in (*take.incidents, *take.ambiguous)]
    false = [f for f in flags if not any(_touch((f.onset_s, f.last_s), e) for e in excuses)]
    return TakeOutcome(len(take.incidents), len(delays), len(false), tuple(delays), take.duration_s)


def _touch(one: Span, other: Span) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def outcome(takes: Iterable[ScoredTake], rule: IncidentRule) -> Outcome:
    """Runs the rule over takes; each starts with an empty window."""
    return Outcome(tuple(judged(take, rule) for take in takes))


def rule_of(point: OperatingPoint) -> IncidentRule:
    """The rule that a bundle's operating point means."""
    return IncidentRule(**point.model_dump())


def candidates() -> Iterable[OperatingPoint]:
    """The grid that is searched: window, threshold, and how far below it an incident closes."""
    opens = np.concatenate([np.arange(0.05, 0.95, 0.05), [0.93, 0.95, 0.97, 0.98, 0.99]])
    for window, threshold, ratio in itertools.product((3, 5), opens, (0.5, 0.8)):
        yield OperatingPoint(
            median_of=window,
            open_threshold=round(float(threshold), 4),
            close_threshold=round(float(threshold * ratio), 4),
            max_gap_s=5.0,
            cooldown_s=10.0,
        )


def chosen(
    takes: Sequence[ScoredTake],
    grid: Iterable[OperatingPoint],
    max_false_per_hour: float = 2.0,
    max_delay_s: float = 3.0,
) -> tuple[OperatingPoint, Outcome]:
    """The point of highest recall within the budget of false incidents and delay.

    Where recalls are equal, the one with fewer false incidents, then the shorter delay. Where no
    point is within the budget, the one with the fewest false incidents.
    """
    results = [(point, outcome(takes, rule_of(point))) for point in grid]
    within = [
        (point, result)
        for point, result in results
        if result.false_per_hour <= max_false_per_hour and result.median_delay_s <= max_delay_s
    ]
    if not within:
        return min(results, key=lambda r: (r[1].false, -r[1].recall))
    return max(within, key=lambda r: (r[1].recall, -r[1].false, -r[1].median_delay_s))
