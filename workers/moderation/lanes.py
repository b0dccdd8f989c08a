"""Lanes: one queue per stream, so that a stream's messages are decided in order.

Messages of one stream may be decoded at the same time by different children; a lane hands them on
only from its head. Other lanes never wait for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from schemas.frames import ContentType
from workers.moderation.accounting import Outcome
from workers.moderation.arena import Span
from workers.moderation.incidents import Arrival, SequenceWindow, StreamState, state_from_bytes
from workers.moderation.jobs import ScoredFrame
from workers.moderation.source import Record
from workers.moderation.watermark import Partition
from workers.review.records import StreamRecord

PARTS_REMEMBERED: Final = 64
STRIKES: Final = 3
"""Crashes or overruns in a row that set a stream aside."""
SET_ASIDE_S: Final = 30.0
IDLE_S: Final = 600.0


class Stage(StrEnum):
    """How far a message is."""

    WAITING = "waiting"
    """For room, for its media or for a decoder."""
    DECODING = "decoding"
    READY = "ready"
    """Its looks or its refusal are known."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message goes to the dead letters: a stable word and a sentence."""

    reason: str
    detail: str


@dataclass(slots=True, eq=False)
class Entry:
    """One message between Kafka and Redis. Its media lies in the arena, or still in the record."""

    serial: int
    record: Record
    arrival: Arrival | None
    """None where the message breaks its contract: nobody knows its stream."""
    size_bytes: int = 0
    """Bytes of the record as Kafka delivered it."""
    content_type: ContentType | None = None
    dataref: str | None = None
    span: Span | None = None
    stage: Stage = Stage.WAITING
    looks: tuple[ScoredFrame, ...] = ()
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    refusal: Refusal | None = None
    opened_flag: bool = False
    is_decided: bool = True
    """False for a doubled or replayed message: it leaves its stream as it was."""

    def finish(self, outcomes: dict[Outcome, int]) -> None:
        """Its fate is known; it may leave its lane."""
        self.outcomes = outcomes
        self.stage = Stage.READY

    def refuse(self, reason: str, detail: str) -> None:
        self.refusal = Refusal(reason, detail)
        self.finish({Outcome.DEAD_LETTERED: 1})


@dataclass(frozen=True, slots=True)
class PastPart:
    """A message that was scored lately: where its media still may be, and its looks."""

    captured_s: float
    content_type: ContentType
    span: Span | None
    dataref: str | None
    looks: tuple[ScoredFrame, ...]


@dataclass(slots=True, eq=False)
class Lane:
    """One stream: its state and its messages in offset order."""

    stream_id: str
    state: StreamState = field(default_factory=StreamState)
    stored: dict[str, int] = field(default_factory=dict)
    """`topic:partition` -> newest offset whose effect Redis holds."""
    taken_in: SequenceWindow = field(default_factory=SequenceWindow)
    """Which messages were taken in, decided or not."""
    entries: deque[Entry] = field(default_factory=deque)
    past: deque[PastPart] = field(default_factory=lambda: deque(maxlen=PARTS_REMEMBERED))
    busy: bool = False
    """A flag of its head waits for evidence; nothing behind it may pass."""
    strikes: int = 0
    set_aside_until_s: float = 0.0
    seen_s: float = field(default_factory=time.monotonic)
    partition: Partition | None = None
    """Where its messages come from."""

    def is_at_rest(self, unsettled: frozenset[str]) -> bool:
        """Nothing of it is in work, and Redis holds its newest state."""
        return not self.entries and not self.busy and self.stream_id not in unsettled

    def ready(self) -> Iterator[Entry]:
        """Takes finished entries off the head, as far as they are done."""
        while self.entries and not self.busy and self.entries[0].stage is Stage.READY:
            yield self.entries.popleft()

    def give_up(self, entry: Entry) -> list[Entry]:
        """Takes an entry out, and what is done behind it: nothing may pass a message undecided."""
        place = self.entries.index(entry)
        behind = [e for e in list(self.entries)[place + 1 :] if e.stage is Stage.READY]
        for each in (entry, *behind):
            self.entries.remove(each)
        return [entry, *behind]

    def strike(self) -> None:
        """A decoder fell over this stream; after a few, others shall not pay for it."""
        self.strikes += 1
        if self.strikes >= STRIKES:
            self.set_aside_until_s = time.monotonic() + SET_ASIDE_S
            self.strikes = 0

    @property
    def is_set_aside(self) -> bool:
        return time.monotonic() < self.set_aside_until_s


class Lanes:
    """All streams that this worker has seen lately."""

    def __init__(self) -> None:
        self._lanes: dict[str, Lane] = {}
        self._leaving: list[Lane] = []

    def __len__(self) -> int:
        return len(self._lanes)

    def __contains__(self, stream_id: str) -> bool:
        return stream_id in self._lanes

    def __iter__(self) -> Iterator[Lane]:
        return iter(tuple(self._lanes.values()))

    def __getitem__(self, stream_id: str) -> Lane:
        return self._lanes[stream_id]

    def add(self, stream_id: str, stored: StreamRecord) -> Lane:
        """Opens a lane that goes on from what Redis holds."""
        state = StreamState() if stored.state is None else state_from_bytes(stored.state)
        lane = Lane(stream_id, state, dict(stored.positions), state.sequences)
        self._lanes[stream_id] = lane
        return lane

    def forget(self, stream_id: str) -> None:
        """Drops a lane: its state must be read again before its next message."""
        self._lanes.pop(stream_id, None)

    @property
    def leaving(self) -> frozenset[Partition]:
        """Partitions whose messages must wait: should one come back, its streams are read anew."""
        return frozenset(lane.partition for lane in self._leaving if lane.partition)

    def hand_over(self, partitions: frozenset[Partition], unsettled: frozenset[str]) -> None:
        """Partitions moved; `unsettled` are the streams whose state Redis does not hold yet.

        Lanes at rest are dropped, and the others as soon as they are: another worker may change
        a stream meanwhile, and Redis must not be read before it holds what this one did.
        """
        self._leaving += [lane for lane in self if lane.partition in partitions]
        self.forget_left(unsettled)

    def forget_left(self, unsettled: frozenset[str]) -> None:
        """Drops leaving lanes whose work is done by now."""
        for lane in self._leaving:
            if lane.is_at_rest(unsettled):
                self.forget(lane.stream_id)
        self._leaving = [lane for lane in self._leaving if lane.stream_id in self]

    def forget_idle(self) -> None:
        """Drops lanes without work that have been silent for long."""
        oldest_s = time.monotonic() - IDLE_S
        for lane in self:
            if not lane.entries and not lane.busy and lane.seen_s < oldest_s:
                self.forget(lane.stream_id)
