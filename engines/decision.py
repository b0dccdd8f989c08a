"""The decision rule: scores over time become incidents. Pure functions over a small state.

Lives beside the engines because training chooses the operating point with the very rule that
workers run. It knows nothing of streams, brokers or pictures.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class IncidentRule:
    """Constants of the rule. Times are seconds on the stream's capture clock.

    Attributes:
        median_of: Looks in the window; fewer than this never open an incident.
        open_threshold: Median at or above which an incident opens.
        close_threshold: Median below which it closes (hysteresis).
        max_gap_s: A longer silence empties the window and closes an open incident.
        cooldown_s: A rise this soon after a close continues the same incident, so that one
            flickering scene is one flag and nothing is suppressed.
    """

    median_of: int
    open_threshold: float
    close_threshold: float
    max_gap_s: float
    cooldown_s: float

    def __post_init__(self) -> None:
        if self.median_of < 1:
            raise ValueError(f"median_of: got {self.median_of}, expected at least 1")
        if not 0 < self.close_threshold <= self.open_threshold < 1:
            raise ValueError(
                f"thresholds: got close {self.close_threshold} and open {self.open_threshold}, "
                "expected 0 < close <= open < 1"
            )


@dataclass(frozen=True, slots=True)
class Look:
    """One scored frame: capture time in seconds, calibrated probability in [0, 1]."""

    at_s: float
    score: float


@dataclass(frozen=True, slots=True)
class Incident:
    """A stretch of looks over the threshold; `median` is the newest, `peak` the highest."""

    key: str
    """Chosen by the caller when it opens (where the opening look came from)."""
    onset_s: float
    opened_s: float
    last_s: float
    looks: int
    median: float
    peak: float


class Change(StrEnum):
    """What a look did to the stream's incident."""

    OPENED = "opened"
    EXTENDED = "extended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Transition:
    """One change and the incident after it."""

    change: Change
    incident: Incident


@dataclass(frozen=True, slots=True)
class DecisionState:
    """All that the rule remembers of a stream; a new stream starts with the defaults."""

    window: tuple[Look, ...] = ()
    incident: Incident | None = None
    """The open incident, or the last one while its cooldown runs."""
    is_open: bool = False


def observe(
    state: DecisionState, look: Look, rule: IncidentRule, key: str
) -> tuple[DecisionState, tuple[Transition, ...]]:
    """Folds one look into the state.

    A look older than the newest one counts at the newest one's time: a clock that steps back
    must neither empty the window nor lengthen an incident backwards.

    Returns:
        The next state and the changes, in order (a gap may close one incident and, later, a look
        opens the next).
    """
    transitions: list[Transition] = []
    if state.window:
        newest_s = state.window[-1].at_s
        if look.at_s < newest_s:
            look = Look(newest_s, look.score)
        elif look.at_s - newest_s > rule.max_gap_s:
            state, transitions = _closed(replace(state, window=()))
    window = (*state.window, look)[-rule.median_of :]
    state = replace(state, window=window, incident=_remembered(state, look, rule))
    median = statistics.median(entry.score for entry in window)
    if state.is_open:
        state, changes = _while_open(state, look, median, rule)
    elif len(window) == rule.median_of and median >= rule.open_threshold:
        state, changes = _opened(state, look, median, rule, key)
    else:
        changes = []
    return state, (*transitions, *changes)


def end(state: DecisionState) -> tuple[DecisionState, tuple[Transition, ...]]:
    """The stream ended: closes what is open and forgets the window."""
    state, transitions = _closed(replace(state, window=()))
    return replace(state, incident=None), tuple(transitions)


def _remembered(state: DecisionState, look: Look, rule: IncidentRule) -> Incident | None:
    """The incident, unless it is over and its cooldown too."""
    incident = state.incident
    if incident is None or state.is_open or look.at_s - incident.last_s <= rule.cooldown_s:
        return incident
    return None


def _closed(state: DecisionState) -> tuple[DecisionState, list[Transition]]:
    if not state.is_open or state.incident is None:
        return state, []
    return replace(state, is_open=False), [Transition(Change.CLOSED, state.incident)]


def _while_open(
    state: DecisionState, look: Look, median: float, rule: IncidentRule
) -> tuple[DecisionState, list[Transition]]:
    if median < rule.close_threshold:
        return _closed(state)
    return _extended(state, look, median)


def _extended(
    state: DecisionState, look: Look, median: float
) -> tuple[DecisionState, list[Transition]]:
    assert state.incident is not None
    incident = replace(
        state.incident,
        last_s=look.at_s,
        looks=state.incident.looks + 1,
        median=median,
        peak=max(state.incident.peak, median),
    )
    state = replace(state, incident=incident, is_open=True)
    return state, [Transition(Change.EXTENDED, incident)]


def _opened(
    state: DecisionState, look: Look, median: float, rule: IncidentRule, key: str
) -> tuple[DecisionState, list[Transition]]:
    if state.incident is not None:  # its cooldown runs: the same incident goes on
        return _extended(state, look, median)
    onset_s = next(e.at_s for e in state.window if e.score >= rule.close_threshold)
    incident = Incident(key, onset_s, look.at_s, look.at_s, len(state.window), median, median)
    state = replace(state, incident=incident, is_open=True)
    return state, [Transition(Change.OPENED, incident)]
