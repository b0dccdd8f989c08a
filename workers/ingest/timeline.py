"""Time of a stream: one media clock that never runs backwards, and the time of capture.

The media clock counts 90 kHz ticks over reconnects, loops, resets and wraps, so that segments can
be joined without gaps. The capture clock says when a point of media time was filmed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Protocol

from workers.ingest.bitstream import Codec

TICKS_PER_SECOND: Final = 90_000
_FIRST_TICK: Final = TICKS_PER_SECOND  # room for pictures that are shown before they are decoded
_REORDER_LEAD: Final = TICKS_PER_SECOND // 5
_RESET_BACKWARDS: Final = TICKS_PER_SECOND
_RESET_FORWARDS: Final = 600 * TICKS_PER_SECOND
_GAP: Final = 5 * TICKS_PER_SECOND
_USUAL_FRAME: Final = TICKS_PER_SECOND // 30


@dataclass(frozen=True, slots=True)
class SourcePacket:
    """An encoded access unit as it came; ticks of the source's own clock, where it gives any."""

    data: bytes = field(repr=False)
    codec: Codec
    is_keyframe: bool
    pts: int | None = None
    dts: int | None = None
    duration: int = 0


@dataclass(frozen=True, slots=True)
class EncodedPacket:
    """An encoded access unit on the media clock: `dts` grows, `pts` is never before it."""

    data: bytes = field(repr=False)
    codec: Codec
    is_keyframe: bool
    pts: int
    dts: int
    duration: int
    follows_gap: bool = False
    """What came before is not the picture that this one was encoded from."""


class Timeline:
    """Puts the packets of one stream on the media clock."""

    def __init__(self) -> None:
        self._offset: int | None = None
        self._last_dts = 0
        self._end_pts = _FIRST_TICK
        self._frame = _USUAL_FRAME
        self.resets = 0

    def restart(self) -> None:
        """The source was opened anew: its clock means something else now."""
        self._offset = None

    def place(self, packet: SourcePacket) -> EncodedPacket:
        """Gives a packet its time. Missing, repeated and backward times are mended."""
        expected = self._last_dts + self._frame
        follows_gap = is_first = self._offset is None
        offset = self._anchored(packet) if self._offset is None else self._offset
        dts = self._decode_time(packet, offset, None if is_first else expected)
        jump = 0 if is_first else dts - expected
        if jump < -_RESET_BACKWARDS or jump > _RESET_FORWARDS:
            offset = self._anchored(packet)
            dts = self._decode_time(packet, offset, None)
            follows_gap = True
            self.resets += 1
        follows_gap |= jump > _GAP
        dts = max(dts, self._last_dts + 1)
        shown = packet.pts if packet.pts is not None or not is_first else 0
        pts = dts if shown is None else max(shown + offset, dts)
        self._frame = packet.duration or min(max(dts - self._last_dts, 1), TICKS_PER_SECOND)
        self._last_dts, self._offset = dts, offset
        self._end_pts = max(self._end_pts, pts + self._frame)
        return EncodedPacket(
            packet.data, packet.codec, packet.is_keyframe, pts, dts, self._frame, follows_gap
        )

    def _anchored(self, packet: SourcePacket) -> int:
        """Offset that shows this packet right after the last one. RTSP begins without a time: 0."""
        if packet.pts is None and packet.dts is not None:
            return self._end_pts - packet.dts
        return self._end_pts - (packet.pts or 0)

    def _decode_time(self, packet: SourcePacket, offset: int, expected: int | None) -> int:
        """RTSP and Matroska leave `dts` out: then it is what the last packet lets expect."""
        if packet.dts is not None:
            return packet.dts + offset
        pts = (packet.pts or 0) + offset
        if expected is None:
            return pts - _REORDER_LEAD
        if packet.pts is None:
            return expected
        is_plausible = expected - _RESET_BACKWARDS <= pts <= expected + _GAP
        return min(pts, expected) if is_plausible else pts - _REORDER_LEAD


class CaptureClock(Protocol):
    """Says when a point of media time was filmed."""

    @property
    def is_live(self) -> bool: ...

    def note(self, media_s: float, arrived_s: float) -> None:
        """A packet of this media time arrived at this time (Unix seconds)."""
        ...

    def is_settled(self, now_s: float) -> bool:
        """True when enough was seen to tell."""
        ...

    def captured_s(self, media_s: float) -> float:
        """Unix seconds."""
        ...

    def restart(self) -> None:
        """The stream was interrupted; what was learnt no longer holds."""
        ...


class RecordingClock:
    """A recording counts from a given time."""

    is_live = False

    def __init__(self, starts_s: float) -> None:
        self._starts_s = starts_s - _FIRST_TICK / TICKS_PER_SECOND

    def note(self, media_s: float, arrived_s: float) -> None:
        """Arrival says nothing about a recording."""

    def is_settled(self, now_s: float) -> bool:
        return True

    def captured_s(self, media_s: float) -> float:
        return self._starts_s + media_s

    def restart(self) -> None:
        """A recording's clock goes on over its clips."""


class ArrivalClock:
    """A live stream was filmed no later than it arrived: the least delay seen is the best guess.

    HLS and many RTMP servers deliver in bursts, so the first packets are not trusted: the clock
    settles for a moment. The least delay is kept for a window of time, which follows a source
    whose clock runs a little slow or fast. Times that were given out never run backwards.
    """

    is_live = True

    def __init__(self, settle_s: float = 0.4, window_s: float = 300.0) -> None:
        self._settle_s = settle_s
        self._window_s = window_s
        self._given_s = -math.inf
        self.restart()

    def restart(self) -> None:
        self._first_s: float | None = None
        self._window_began_s = 0.0
        self._least_s = math.inf
        self._least_before_s = math.inf

    def note(self, media_s: float, arrived_s: float) -> None:
        if self._first_s is None:
            self._first_s = self._window_began_s = arrived_s
        if arrived_s - self._window_began_s > self._window_s:
            self._window_began_s = arrived_s
            self._least_before_s, self._least_s = self._least_s, math.inf
        self._least_s = min(self._least_s, arrived_s - media_s)

    def is_settled(self, now_s: float) -> bool:
        return self._first_s is not None and now_s - self._first_s >= self._settle_s

    def captured_s(self, media_s: float) -> float:
        captured_s = media_s + min(self._least_s, self._least_before_s)
        self._given_s = max(captured_s, self._given_s)
        return self._given_s
