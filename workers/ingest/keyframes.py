"""Picks single keyframes from a stream, at most one per interval. Pure: no I/O, no clock."""

from __future__ import annotations

from collections import Counter

from workers.ingest.segmenter import DropReason, KeyframeGate, Segment
from workers.ingest.timeline import TICKS_PER_SECOND, EncodedPacket


class KeyframePicker:
    """Packets in, keyframes out, each as a segment of one access unit.

    Same interface as `Segmenter`, but nothing is held back: a keyframe is out when it came.
    """

    def __init__(
        self, interval_s: float, limit_bytes: int, gate: KeyframeGate | None = None
    ) -> None:
        self.gate = gate or KeyframeGate()
        self.dropped: Counter[DropReason] = Counter()
        self._interval = round(interval_s * 0.9 * TICKS_PER_SECOND)
        self._limit_bytes = limit_bytes
        self._next: int | None = None

    def push(self, packet: EncodedPacket) -> Segment | None:
        """The packet as a segment, if it is a keyframe and its time has come."""
        if not packet.is_keyframe:
            return None
        opened = self.gate.opened(packet)
        if opened is None:
            self.dropped[DropReason.NO_PARAMETERS] += 1
            return None
        keyframe, changed = opened
        if self._next is not None and keyframe.pts < self._next and not changed:
            return None
        if len(keyframe.data) > self._limit_bytes:
            self.dropped[DropReason.TOO_LARGE] += 1
            return None
        self._next = keyframe.pts + self._interval
        return Segment(
            keyframe.codec, (keyframe,), keyframe.pts, keyframe.pts + max(keyframe.duration, 1)
        )

    def flush(self) -> Segment | None:
        """Nothing is ever held back."""
        return None
