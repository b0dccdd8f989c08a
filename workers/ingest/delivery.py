"""Brings segments to the sink as messages: muxed, timed, kept in order, counted when left out."""

from __future__ import annotations

import logging
import threading
import time

from av.video.stream import VideoStream

from schemas.frames import FrameMessage
from workers.errors import BrokerUnavailable, EvidenceUnavailable
from workers.frames_topic import RecordRefused
from workers.ingest.backoff import Backoff
from workers.ingest.messages import MessageWriter, SegmentStore
from workers.ingest.muxing import media_from_segment
from workers.ingest.plan import StreamPlan
from workers.ingest.segmenter import DropReason, Segment
from workers.ingest.sinks import FrameSink
from workers.ingest.status import StreamStatus
from workers.ingest.timeline import CaptureClock
from workers.redaction import redacted

log = logging.getLogger(__name__)


class Delivery:
    """Publishes the segments of one session.

    A broker that is away is waited for: then the source waits too, and what it does not keep for
    us is a gap. Segments are held until the capture clock has settled.
    """

    def __init__(
        self, plan: StreamPlan, sink: FrameSink, status: StreamStatus, stopping: threading.Event
    ) -> None:
        self._plan = plan
        self._sink = sink
        self._status = status
        self._stopping = stopping
        self._writer = MessageWriter(plan.stream_id, f"ingest:{plan.address.shown}", plan.metadata)
        self._store = SegmentStore(plan.segment_store) if plan.segment_store else None
        self._pending: list[tuple[Segment, bytes]] = []
        self._ended_s: float | None = None
        status.session_id = self._writer.session_id

    def take(self, segment: Segment, template: VideoStream) -> None:
        """Accepts a segment while its source is open; it goes out with `release`."""
        is_needed = not self._plan.keyframes_only or self._store is not None
        self._pending.append((segment, media_from_segment(segment, template) if is_needed else b""))

    def release(self, clock: CaptureClock) -> None:
        """Publishes what was accepted."""
        pending, self._pending = self._pending, []
        for segment, media in pending:
            captured_s = clock.captured_s(segment.starts_s)
            self._ended_s = clock.captured_s(segment.ends_s) if clock.is_live else None
            message = self._message(segment, media, captured_s)
            if len(message.data) > self._plan.limit_bytes:
                self._leave_out(DropReason.TOO_LARGE, f"{len(message.data)} bytes")
            elif self._published(message):
                self._count(message, segment)

    def end_of_stream(self) -> None:
        """Says on the topic that the stream has ended."""
        self._published(self._writer.end_of_stream(time.time()))

    def flush(self) -> None:
        """Returns when the sink has everything, or says that it has not."""
        try:
            self._sink.flush()
        except (BrokerUnavailable, RecordRefused) as error:
            self._leave_out(_reason(error), str(error))

    def _message(self, segment: Segment, media: bytes, captured_s: float) -> FrameMessage:
        if not self._plan.keyframes_only:
            return self._writer.segment(segment, media, captured_s)
        return self._writer.keyframe(segment, captured_s, self._reference(segment, media))

    def _reference(self, segment: Segment, media: bytes) -> str | None:
        if self._store is None:
            return None
        try:
            return self._store.put(self._writer.segment_key(segment), media)
        except EvidenceUnavailable as error:
            self._leave_out(DropReason.STORE, str(error))
            return None

    def _published(self, message: FrameMessage) -> bool:
        """True when the sink took it; tries again while Kafka is away and nobody asks to stop."""
        backoff = Backoff(self._plan.settings.backoff_min, self._plan.settings.backoff_max)
        while True:
            try:
                self._sink.publish(message)
                return True
            except RecordRefused as error:
                self._leave_out(DropReason.TOO_LARGE, str(error))
                return False
            except BrokerUnavailable as error:
                self._leave_out(DropReason.BROKER, str(error))
                if self._stopping.wait(backoff.next_s()):
                    return False

    def _count(self, message: FrameMessage, segment: Segment) -> None:
        status = self._status
        status.messages += 1
        status.bytes += len(message.data)
        status.media_s += segment.duration.total_seconds()
        if self._ended_s is not None:
            status.lag_s = max(time.time() - self._ended_s, 0.0)

    def _leave_out(self, reason: DropReason, detail: str) -> None:
        self._status.drop(reason)
        log.warning("left out: %s (%s)", reason.value, redacted(detail), extra=self._identifiers())

    def _identifiers(self) -> dict[str, str]:
        return {"stream_id": self._plan.stream_id, "session_id": self._writer.session_id}


def _reason(error: Exception) -> DropReason:
    return DropReason.TOO_LARGE if isinstance(error, RecordRefused) else DropReason.BROKER
