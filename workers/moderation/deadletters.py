"""Dead letters: messages that can never be handled, set aside with their reason."""

from __future__ import annotations

import hashlib
from typing import Final

from schemas.frames import Header
from workers.errors import Fatal
from workers.frames_topic import FramePublisher
from workers.moderation.lanes import Refusal
from workers.moderation.source import Record
from workers.settings import KafkaSettings

HEADER_PREFIX: Final = "dl_"
ATTEMPT: Final = "dl_attempt"
FLUSH_LIMIT_S: Final = 5.0
DISTINCT_STREAMS: Final = 3
"""One hostile stream alone must not be able to stop the worker."""


class TooManyDeadLetters(Fatal):
    """Nearly everything is refused: a bad deploy must not drain the topic into dead letters."""


class CircuitBreaker:
    """Counts dead letters in a row, over several streams."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_a_row = 0
        self._streams: set[bytes | None] = set()

    def good(self) -> None:
        self._in_a_row = 0
        self._streams.clear()

    def bad(self, key: bytes | None, refusal: Refusal) -> None:
        """Raises TooManyDeadLetters at the limit."""
        self._in_a_row += 1
        self._streams.add(key)
        if self._in_a_row >= self._limit and len(self._streams) >= DISTINCT_STREAMS:
            raise TooManyDeadLetters(
                f"{self._in_a_row} messages in a row of {len(self._streams)} streams were refused, "
                f"the last because {refusal.reason}: {refusal.detail}; see `flagpost deadletters "
                "list`, mend the producers or this worker, then start it again"
            )


class DeadLetterPublisher:
    """Writes dead letters and waits for their acknowledgement."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._publisher = FramePublisher(settings, settings.dead_letters_topic)
        self._room = settings.max_message_bytes - (64 << 10)

    def publish(self, record: Record, value: bytes | None, refusal: Refusal) -> None:
        """Queues one; `flush` waits for it.

        The headers say where it came from and why. Media over the topic's limit is left behind:
        the headers then hold its digest, and its offset says where it is.
        """
        value = value or b""
        headers = [*_kept(record.headers), *_reason_headers(record, value, refusal)]
        key = (record.key or b"").decode(errors="replace")
        self._publisher.publish_record(key, value if len(value) < self._room else b"", headers)

    def flush(self) -> None:
        """Waits for the broker; raises BrokerUnavailable where it does not answer."""
        self._publisher.flush(FLUSH_LIMIT_S)

    def close(self) -> None:
        self._publisher.close()


def attempt_of(headers: tuple[Header, ...]) -> int:
    """How often a message was a dead letter before; replay keeps the count."""
    for name, text in headers:
        if name == ATTEMPT and text.isdigit() and len(text) < 4:
            return int(text)
    return 0


def _kept(headers: tuple[Header, ...]) -> list[Header]:
    return [(name, text) for name, text in headers if not name.startswith(HEADER_PREFIX)]


def _reason_headers(record: Record, value: bytes, refusal: Refusal) -> list[Header]:
    texts = {
        "dl_reason": refusal.reason,
        "dl_detail": refusal.detail,
        "dl_topic": record.partition.topic,
        "dl_partition": str(record.partition.number),
        "dl_offset": str(record.offset),
        ATTEMPT: str(attempt_of(record.headers) + 1),
        "dl_bytes": str(len(value)),
        "dl_sha256": hashlib.sha256(value).hexdigest(),
    }
    return [(name, text.encode()) for name, text in texts.items()]
