"""Frame messages of one session: sequence, capture time, the segment by value or by reference."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

from schemas.frames import ContentType, EventType, FrameMessage, StreamMetadata, capture_time
from workers.ingest.muxing import KEYFRAME_TYPES, SEGMENT_TYPES
from workers.ingest.segmenter import Segment
from workers.moderation.evidence import EvidenceStore


class SegmentStore:
    """Keeps segments for messages that carry only their keyframe.

    Old segments are the store's own matter: a lifecycle rule, or a cron job for a directory.
    """

    def __init__(self, url: str) -> None:
        local = "://" not in url
        self._root = Path(url).resolve().as_uri() if local else url.rstrip("/")
        self._store = EvidenceStore(str(Path(url).resolve()) if local else url)

    def check(self) -> None:
        """Raises EvidenceUnavailable where nothing can be written."""
        self._store.check()

    def put(self, key: str, media: bytes) -> str:
        """Stores a segment and returns its address.

        Raises:
            EvidenceUnavailable: The store does not take it.
        """
        self._store.put(key, media)
        return f"{self._root}/{key}"


class MessageWriter:
    """Numbers the messages of one session."""

    def __init__(self, stream_id: str, source: str, metadata: StreamMetadata) -> None:
        """`source` names the source without credentials."""
        self.stream_id = stream_id
        self.session_id = uuid4().hex
        self._source = source[:500]
        self._metadata = metadata
        self._sequence = 0

    def segment_key(self, segment: Segment) -> str:
        """Place of the next message's segment in a store."""
        is_mp4 = SEGMENT_TYPES[segment.codec] is ContentType.FRAGMENTED_MP4
        suffix = "mp4" if is_mp4 else "ts"
        folder = re.sub(r"[^\w.-]+", "_", self.stream_id)
        return f"{folder}/{self.session_id}/{self._sequence:08}.{suffix}"

    def segment(self, segment: Segment, media: bytes, captured_s: float) -> FrameMessage:
        """The whole segment by value."""
        return self._frames(segment, captured_s, media, is_whole=True, dataref=None)

    def keyframe(self, segment: Segment, captured_s: float, dataref: str | None) -> FrameMessage:
        """The segment's keyframe by value, the segment by reference where it is kept."""
        return self._frames(segment, captured_s, segment.keyframe.data, False, dataref)

    def end_of_stream(self, captured_s: float) -> FrameMessage:
        return FrameMessage(
            event_type=EventType.END_OF_STREAM,
            source=self._source,
            stream_id=self.stream_id,
            session_id=self.session_id,
            sequence=self._next(),
            captured_at=capture_time(captured_s),
            metadata=self._metadata,
        )

    def _frames(
        self, segment: Segment, captured_s: float, data: bytes, is_whole: bool, dataref: str | None
    ) -> FrameMessage:
        types = SEGMENT_TYPES if is_whole else KEYFRAME_TYPES
        return FrameMessage(
            source=self._source,
            stream_id=self.stream_id,
            session_id=self.session_id,
            sequence=self._next(),
            captured_at=capture_time(captured_s),
            duration=segment.duration,
            content_type=types[segment.codec],
            dataref=dataref,
            metadata=self._metadata,
            data=data,
        )

    def _next(self) -> int:
        number, self._sequence = self._sequence, self._sequence + 1
        return number
