"""The words of the review desk: pools, states, answers, leases."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.flags import Flag


class Pool(StrEnum):
    """Where flags wait; `to:<person>` is one more for each person."""

    READY = "ready"
    ESCALATED = "escalated"


class FlagState(StrEnum):
    """Where a flag is on its way."""

    READY = "ready"
    LEASED = "leased"
    PARKED = "parked"
    DECIDED = "decided"


class Answer(StrEnum):
    """What the queue says to an action."""

    OK = "ok"
    SECOND = "second"
    """Taken; another person looks too, without seeing this verdict."""
    ESCALATED = "escalated"
    """Unsure, or two verdicts that differ: a senior decides."""
    REPLAY = "replay"
    """The same request of the same reviewer was taken before."""
    CONFLICT = "conflict"
    """It is decided already."""
    STALE = "stale"
    """The claim is over; somebody else may hold it."""
    FORBIDDEN = "forbidden"
    """Escalated, and the reviewer is no senior; or the second of two verdicts by one person."""
    HELD = "held"
    """Left alone by a bulk decision: somebody looks at it."""
    OTHER_STREAM = "other-stream"
    """Left alone by a bulk decision: it belongs to another stream."""
    MISSING = "missing"
    DECIDED = "decided"
    NOT_DECIDED = "not-decided"
    NOT_YOURS = "not-yours"
    TOO_LATE = "too-late"
    EXPORTED = "exported"

    @property
    def is_taken(self) -> bool:
        """Whether a verdict with this answer counts."""
        return self in _TAKEN


_TAKEN = frozenset({Answer.OK, Answer.SECOND, Answer.ESCALATED, Answer.REPLAY})


@dataclass(frozen=True, slots=True)
class Lease:
    """A flag that a reviewer holds until `ends_at`; `epoch` goes into the decision."""

    flag: Flag
    epoch: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class LeaseState:
    """Who has a flag now, to be told to somebody who lost it.

    Attributes:
        state: Where the flag is.
        owner: Who holds it, or held it last and may still answer late.
        epoch: The newest claim.
        ends_at: End of the lease; None unless it is leased.
        decided_by: Who decided it; None unless it is decided.
    """

    state: FlagState
    owner: str | None
    epoch: int
    ends_at: datetime | None
    decided_by: str | None
