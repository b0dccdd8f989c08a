"""What is known of a stream while it is ingested; what the display and the summary show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class StreamState(StrEnum):
    """Where a stream is."""

    CONNECTING = "connecting"
    STREAMING = "streaming"
    WAITING = "waiting"
    """Lost; another attempt follows."""
    ENDED = "ended"
    """It came to its end, and an end-of-stream event says so."""
    LOST = "lost"
    """It did not come back in time; an end-of-stream event says so."""
    FAILED = "failed"
    """It can not be read."""
    STOPPED = "stopped"
    """Ingest was asked to stop."""


FINAL_STATES = frozenset(
    {StreamState.ENDED, StreamState.LOST, StreamState.FAILED, StreamState.STOPPED}
)


@dataclass(slots=True)
class StreamStatus:
    """Counts since the start; times in seconds. `source` holds no credentials."""

    stream_id: str
    source: str
    session_id: str = ""
    state: StreamState = StreamState.CONNECTING
    codec: str = ""
    width: int = 0
    height: int = 0
    is_encoded: bool = False
    messages: int = 0
    bytes: int = 0
    media_s: float = 0.0
    lag_s: float | None = None
    """From the end of the last message's media to its publication; live streams only."""
    reconnects: int = 0
    clock_resets: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    """Packets and messages left out, by reason."""
    error: str | None = None

    def after(self, before: StreamStatus) -> StreamStatus:
        """This status with the counts of an earlier process of the same stream added."""
        dropped = dict(before.dropped)
        for reason, count in self.dropped.items():
            dropped[reason] = dropped.get(reason, 0) + count
        return replace(
            self,
            messages=self.messages + before.messages,
            bytes=self.bytes + before.bytes,
            media_s=self.media_s + before.media_s,
            reconnects=self.reconnects + before.reconnects,
            clock_resets=self.clock_resets + before.clock_resets,
            dropped=dropped,
        )

    def drop(self, reason: str) -> None:
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
