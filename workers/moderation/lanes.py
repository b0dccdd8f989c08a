"""Lanes: one queue per stream, so that a stream's messages are decided in order.

Messages of one stream may be decoded at the same time by different children; a lane hands them on
only from its head. Other lanes never wait for it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.frames import ContentType
from workers.moderation.accounting import Outcome
from workers.moderation.arena import Span
from workers.moderation.incidents import Arrival, SequenceWindow, StreamState


@dataclass(frozen=True, slots=True)
class ScoredFrame:
    """Seconds after the message's capture time, calibrated score, whether the media was damaged."""

    pts_s: float
    score: float
    corrupt: bool = False


class Stage(StrEnum):
    """How far a message is."""

    WAITING = "waiting"
    """For room, for its media or for a decoder."""
    DECODING = "decoding"
    READY = "ready"
    """Its looks or its refusal are known."""


@dataclass(slots=True, eq=False)
class Entry:
    """One message between Kafka and Redis; everything but its media, which lies in the arena."""

    serial: int
    arrival: Arrival
    epoch: int
    timestamp_ms: int
    content_type: ContentType | None = None
    dataref: str | None = None
    span: Span | None = None
    stage: Stage = Stage.WAITING
    looks: tuple[ScoredFrame, ...] = ()
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    is_decided: bool = True
    """False for a duplicate: it leaves its stream as it was."""

    @property
    def frames(self) -> int:
        return sum(self.outcomes.values())


@dataclass(slots=True, eq=False)
class Lane:
    """One stream: its state and its messages in offset order."""

    stream_id: str
    state: StreamState = field(default_factory=StreamState)
    taken_in: SequenceWindow = field(default_factory=SequenceWindow)
    """Which messages were taken in, decided or not."""
    entries: deque[Entry] = field(default_factory=deque)
    busy: bool = False
    """A flag of its head waits for evidence; nothing behind it may pass."""

    def ready(self) -> Iterator[Entry]:
        """Takes finished entries off the head, as far as they are done."""
        while self.entries and not self.busy and self.entries[0].stage is Stage.READY:
            yield self.entries.popleft()


class Lanes:
    """All streams that this worker has seen lately."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}

    def __len__(self) -> int:
        return len(self._lanes)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._lanes

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._lanes.values()))

    def __getitem__(self, stream_id: str) -> Lane:
        return self._lanes[stream_id]

    def add(self, stream_id: str, state: StreamState) -> Lane:
        """Opens a lane that goes on from a stored state."""
        lane = Lane(stream_id, state, state.sequences)
        self._lanes[stream_id] = lane
        return lane

    def forget(self, stream_id: str) -> None:
        """Drops a lane: its state must be read again before its next message."""
        self._lanes.pop(stream_id, None)
