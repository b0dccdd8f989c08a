"""The scoreboard: what happened, against what was flagged. Pure functions over both.

An incident is found if a flag of its stream touches it, or the two seconds after it: the rule under
which the operating point was chosen (`training.operating_point.GRACE_S`). A flag is false if it
touches neither an incident, with the same grace, nor an ambiguous span. The delay
runs from the incident's first damage to its flag being in Redis; a flag that was open already
counts as no delay.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from schemas.flags import Flag
from schemas.truth import AmbiguousSpan, TrueIncident

GRACE: Final = timedelta(seconds=2)
JUDGED_AFTER: Final = timedelta(seconds=5)
"""An incident that began later than this before the end is not held against anybody."""


@dataclass(frozen=True, slots=True)
class SeenFlag:
    """A flag and when Redis got it."""

    flag: Flag
    stored_at: datetime


@dataclass(frozen=True, slots=True)
class Score:
    """What the flags of a run were worth.

    Attributes:
        incidents: Incidents that can be judged.
        flagged: Those that a flag found.
        false_flags: Flags that found nothing.
        delays_s: Seconds from onset to flag, of the incidents found.
    """

    incidents: int
    flagged: int
    false_flags: int
    delays_s: tuple[float, ...]

    @property
    def recall(self) -> float | None:
        return self.flagged / self.incidents if self.incidents else None

    @property
    def median_delay_s(self) -> float | None:
        return statistics.median(self.delays_s) if self.delays_s else None


def score(
    truth: Sequence[TrueIncident | AmbiguousSpan], flags: Sequence[SeenFlag], until: datetime
) -> Score:
    """Scores flags against the truth known at a time."""
    incidents = [
        span
        for span in truth
        if isinstance(span, TrueIncident)
        and (span.starts_at <= until - JUDGED_AFTER or _found(span, flags))
    ]
    delays: list[float] = []
    for incident in incidents:
        if found := _found(incident, flags):
            stored_at = min(seen.stored_at for seen in found)
            delays.append(max(0.0, (stored_at - incident.starts_at).total_seconds()))
    false_flags = [seen for seen in flags if not any(_touch(span, seen.flag) for span in truth)]
    return Score(len(incidents), len(delays), len(false_flags), tuple(delays))


def _found(incident: TrueIncident, flags: Sequence[SeenFlag]) -> list[SeenFlag]:
    return [seen for seen in flags if _touch(incident, seen.flag)]


def _touch(span: TrueIncident | AmbiguousSpan, flag: Flag) -> bool:
    grace = GRACE if isinstance(span, TrueIncident) else timedelta(0)
    return (
        span.stream_id == flag.stream_id
        and flag.onset_at <= span.ends_at + grace
        and span.starts_at <= flag.last_at
    )
