"""Plays an open source: packets onto the media clock, into the cutter, to the delivery.

Keeps what outlives one connection: the media clock, the capture clock, the parameter sets.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from workers.ingest.bitstream import Codec
from workers.ingest.delivery import Delivery
from workers.ingest.keyframes import KeyframePicker
from workers.ingest.plan import StreamPlan
from workers.ingest.segmenter import Segment, Segmenter
from workers.ingest.source import OpenSource
from workers.ingest.status import StreamStatus
from workers.ingest.timeline import (
    TICKS_PER_SECOND,
    ArrivalClock,
    CaptureClock,
    EncodedPacket,
    RecordingClock,
    SourcePacket,
    Timeline,
)


class Player:
    """Plays the connections or clips of one stream, one after the other.

    Args:
        plan: What to do.
        delivery: Takes the segments.
        status: Kept up to date.
        stopping: Ends playing before the next packet.
        heard: Called at each packet.
        awaiting: Entered while the source is waited for; `finish` may be called then.
    """

    def __init__(
        self,
        plan: StreamPlan,
        delivery: Delivery,
        status: StreamStatus,
        stopping: threading.Event,
        heard: Callable[[], None],
        awaiting: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._plan = plan
        self._delivery = delivery
        self._status = status
        self._stopping = stopping
        self._heard = heard
        self._awaiting = awaiting
        self._playing: tuple[OpenSource, CaptureClock] | None = None
        self._timeline = Timeline()
        self._clock: CaptureClock | None = None
        self._paced_from_s: float | None = None
        interval_s = plan.settings.segment_duration.total_seconds()
        self._cutter: Segmenter | KeyframePicker
        if plan.keyframes_only and plan.segment_store is None:
            self._cutter = KeyframePicker(interval_s, plan.limit_bytes)
        else:
            self._cutter = Segmenter(interval_s, plan.limit_bytes)

    def play(self, source: OpenSource, starts_s: float) -> None:
        """Plays until the source ends or ingest stops. What is cut by then is delivered.

        Args:
            source: Open, and open until this returns.
            starts_s: Capture time of a recording's first frame, in Unix seconds; the clips of one
                stream follow each other.

        Raises:
            SourceLost, SourceRefused: As the source does.
        """
        clock = self._clock_for(source, starts_s)
        self._timeline.restart()
        self._cutter.gate.learn(Codec.AV1, source.known_sets)
        self._playing = source, clock
        packets = source.packets()
        try:
            while (found := self._next(packets)) is not None:
                packet = self._timeline.place(found)
                self._pace(source, packet)
                if self._stopping.is_set():
                    break
                self._play_packet(packet, source, clock)
        finally:
            self.finish()

    def finish(self) -> None:
        """Delivers what is cut of the source that plays, if one does."""
        if self._playing is None:
            return
        source, clock = self._playing
        self._playing = None
        self._deliver(self._cutter.flush(), source)
        self._delivery.release(clock)
        self._count_drops()

    def _next(self, packets: Iterator[SourcePacket]) -> SourcePacket | None:
        with self._awaiting():
            return next(packets, None)

    def _play_packet(self, packet: EncodedPacket, source: OpenSource, clock: CaptureClock) -> None:
        if packet.follows_gap:
            # Timed by the clock as it was before the gap.
            self._deliver(self._cutter.flush(), source)
            self._delivery.release(clock)
            clock.restart()
        now_s = time.time()
        clock.note(packet.dts / TICKS_PER_SECOND, now_s)
        self._deliver(self._cutter.push(packet), source)
        if clock.is_settled(now_s):
            self._delivery.release(clock)
        if packet.is_keyframe:
            self._status.codec = packet.codec.value
        self._count_drops()
        self._heard()

    def _deliver(self, segment: Segment | None, source: OpenSource) -> None:
        if segment is not None:
            self._delivery.take(segment, source.template)

    def _clock_for(self, source: OpenSource, starts_s: float) -> CaptureClock:
        if self._clock is None:
            is_live = not source.is_recording
            self._clock = ArrivalClock() if is_live else RecordingClock(starts_s)
        return self._clock

    def _pace(self, source: OpenSource, packet: EncodedPacket) -> None:
        if not (self._plan.realtime and source.is_recording):
            return
        media_s, now_s = packet.dts / TICKS_PER_SECOND, time.monotonic()
        if self._paced_from_s is None:
            self._paced_from_s = now_s - media_s
        self._stopping.wait(max(self._paced_from_s + media_s - now_s, 0.0))

    def _count_drops(self) -> None:
        for reason, count in self._cutter.dropped.items():
            self._status.dropped[reason] = self._status.dropped.get(reason, 0) + count
        self._cutter.dropped.clear()
        self._status.clock_resets = self._timeline.resets
