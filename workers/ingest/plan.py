"""What one stream is to do: everything its process needs to know, fit to be sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from schemas.frames import StreamMetadata
from workers.ingest.address import SourceAddress
from workers.settings import IngestSettings, KafkaSettings


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """One stream.

    Attributes:
        address: Where it comes from.
        stream_id: Its name on Kafka.
        metadata: What every message says of it.
        settings: Durations, timeouts and back-off.
        kafka: Where messages go; None with `output`.
        output: Directory for messages instead of Kafka.
        keyframes_only: Send single keyframes instead of segments.
        segment_store: Where segments are kept for reference, with `keyframes_only`.
        realtime: Play recordings at their own speed.
        loop: Begin recordings again at their end.
        give_up_after: How long a lost live source is tried again; None: for ever.
        limit_bytes: Most media in one message.
    """

    address: SourceAddress
    stream_id: str
    metadata: StreamMetadata
    settings: IngestSettings
    kafka: KafkaSettings | None
    output: Path | None
    keyframes_only: bool
    segment_store: str | None
    realtime: bool
    loop: bool
    give_up_after: timedelta | None
    limit_bytes: int
