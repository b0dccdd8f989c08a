"""The rule that says what is violent in simulated play; pure functions over what the game reports.

It is the only place that knows the rule: training labels, live truth and scoring all come from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Span = tuple[float, float]
RULE_TEXT: Final = (
    "Violent: damage dealt by the player or done to them by an enemy. Events closer than join_s "
    "are one incident, however short; it starts with its first damage and ends with its last. "
    "Neither violent nor calm: an awake enemy in view, or the player shooting with a living enemy "
    "in view, without damage (such spans closer than threat_join_s are one), and aftermath_s after "
    "the last damage."
)


class Observation(NamedTuple):
    """What the game said at one frame; amounts are since the frame before."""

    time_s: float
    damage_dealt: int = 0
    damage_taken: int = 0
    kills: int = 0
    threat: bool = False
    """An awake enemy is in view, or the player shoots with a living enemy in view."""


class Rule(BaseModel):
    """The numbers of the rule; written into the header of every truth file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str = RULE_TEXT
    join_s: float = Field(default=2.0, gt=0)
    aftermath_s: float = Field(default=1.5, ge=0)
    threat_join_s: float = Field(default=1.0, ge=0)


class Incident(BaseModel):
    """One violent stretch of a take, in seconds from its first frame."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start_s: float = Field(ge=0)
    end_s: float = Field(ge=0)
    kills: int = Field(ge=0)
    damage_dealt: int = Field(ge=0)
    damage_taken: int = Field(ge=0)


def incidents_of(observations: Iterable[Observation], rule: Rule) -> list[Incident]:
    """Joins damage into incidents.

    Args:
        observations: In order of time.
        rule: The rule's numbers.
    """
    groups: list[list[Observation]] = []
    for seen in observations:
        if not (seen.damage_dealt or seen.damage_taken):
            continue
        if groups and seen.time_s - groups[-1][-1].time_s < rule.join_s:
            groups[-1].append(seen)
        else:
            groups.append([seen])
    return [
        Incident(
            start_s=group[0].time_s,
            end_s=group[-1].time_s,
            kills=sum(seen.kills for seen in group),
            damage_dealt=sum(seen.damage_dealt for seen in group),
            damage_taken=sum(seen.damage_taken for seen in group),
        )
        for group in groups
    ]


def ambiguous_spans(
    observations: Sequence[Observation], incidents: Sequence[Incident], rule: Rule
) -> list[Span]:
    """Time that counts as neither violent nor calm; ordered, disjoint, outside every incident.

    A threat lasts from its frame to the next one.

    Args:
        observations: In order of time.
        incidents: What `incidents_of` made of the same observations.
        rule: The rule's numbers.
    """
    threats = [(seen.time_s, after.time_s) for seen, after in pairwise(observations) if seen.threat]
    last_s = observations[-1].time_s if observations else 0.0
    aftermaths = [(i.end_s, min(i.end_s + rule.aftermath_s, last_s)) for i in incidents]
    spans = joined([*joined(threats, rule.threat_join_s), *aftermaths])
    return without(spans, [(i.start_s, i.end_s) for i in incidents])


def joined(spans: Iterable[Span], gap_s: float = 0.0) -> list[Span]:
    """Sorts spans and joins those that overlap or lie at most `gap_s` apart."""
    result: list[Span] = []
    for start, end in sorted(spans):
        if result and start - result[-1][1] <= gap_s:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        else:
            result.append((start, end))
    return result


def without(spans: Iterable[Span], holes: Iterable[Span]) -> list[Span]:
    """What is left of disjoint ordered spans when the holes are cut out; no empty spans."""
    left = [span for span in spans if span[1] > span[0]]
    for hole_start, hole_end in holes:
        pieces: list[Span] = []
        for start, end in left:
            if hole_end <= start or hole_start >= end:
                pieces.append((start, end))
                continue
            pieces.extend(
                piece for piece in ((start, hole_start), (hole_end, end)) if piece[1] > piece[0]
            )
        left = pieces
    return left


def violent_share(incidents: Iterable[Incident], duration_s: float) -> float:
    """Share of the time that lies within incidents."""
    return sum(i.end_s - i.start_s for i in incidents) / duration_s if duration_s else 0.0
