"""What goes into the review queue and comes out of it, as plain records."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from schemas.flags import Flag


class Step(StrEnum):
    """What a message did to a flag."""

    OPEN = "open"
    EXTEND = "extend"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class FlagStep:
    """One step of one flag, with the flag as it is after it."""

    step: Step
    flag: Flag


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """What Redis holds of a stream: its decision state and the offsets stored with it."""

    state: bytes | None
    positions: dict[str, int]


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """One message's effect: stored whole, once.

    Attributes:
        stream_id: The stream.
        position: `topic:partition` of the message.
        offset: Its offset.
        state: The stream's decision state after it.
        steps: What it did to flags.
    """

    stream_id: str
    position: str
    offset: int
    state: bytes
    steps: tuple[FlagStep, ...] = ()


class Applied(StrEnum):
    """What became of an update."""

    STORED = "stored"
    REPLAYED = "replayed"
    """Its offset was stored before; nothing changed."""
