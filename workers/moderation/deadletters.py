"""Dead letters: messages that can never be handled, set aside with their reason.

A message is refused where its fault shows: `admission.py` (contract, size), `references.py`,
`decode.py` and `crew.py` (media). All of them come through here.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Sequence
from typing import Final

from schemas.frames import Header
from workers.errors import BrokerUnavailable, Fatal
from workers.frames_topic import FramePublisher
from workers.moderation.arena import Arena
from workers.moderation.lanes import Entry, Refusal
from workers.moderation.publish import Outgoing
from workers.moderation.source import Record
from workers.settings import KafkaSettings

logger = logging.getLogger(__name__)

HEADER_PREFIX: Final = "dl_"
ATTEMPT: Final = "dl_attempt"
FLUSH_LIMIT_S: Final = 5.0
DISTINCT_STREAMS: Final = 3
"""One hostile stream alone must not be able to stop the worker."""
QUIET_S: Final = 60.0
"""Between two log lines about the same stream and reason."""
KINDS_LOGGED: Final = 1000
"""Of stream and reason, in that time; names that nobody has checked must not fill the memory."""


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


class Refusals:
    """Refused messages on their way to the dead letters topic. Used by the worker's loop alone.

    Args:
        publisher: Where they go.
        arena: Where media lies that came as far as a decoder.
    """

    def __init__(self, publisher: DeadLetterPublisher, arena: Arena) -> None:
        self._publisher = publisher
        self._arena = arena
        self._waiting: list[Outgoing] = []
        self._logged_s: dict[tuple[bytes | None, str], float] = {}

    def add(self, outgoing: Outgoing) -> None:
        """Takes on a message whose entry holds a refusal."""
        self._waiting.append(outgoing)

    def acknowledged(self) -> Sequence[Outgoing]:
        """Sends what waits; returns it when the broker holds it: only then may offsets move on."""
        if not self._waiting:
            return ()
        try:
            for outgoing in self._waiting:
                self._send(outgoing.entry)
            self._publisher.flush()
        except BrokerUnavailable as error:
            logger.warning("dead letters wait: %s", error)
            return ()
        sent, self._waiting = self._waiting, []
        for outgoing in sent:
            self._tell(outgoing.entry)
        return sent

    def _send(self, entry: Entry) -> None:
        assert entry.refusal is not None
        media = entry.record.value
        if entry.span is not None:
            media = self._arena.read(entry.span)
        self._publisher.publish(entry.record, media, entry.refusal)

    def _tell(self, entry: Entry) -> None:
        """One line, and then none for a while: a stream that is always refused fills no log."""
        assert entry.refusal is not None
        record, refusal, now_s = entry.record, entry.refusal, time.monotonic()
        kind = (record.key, refusal.reason)
        logged_s = self._logged_s.get(kind)
        if logged_s is not None and now_s - logged_s < QUIET_S:
            return
        if len(self._logged_s) >= KINDS_LOGGED:
            recent = {kind: at for kind, at in self._logged_s.items() if now_s - at < QUIET_S}
            self._logged_s = recent
            if len(recent) >= KINDS_LOGGED:
                return
        self._logged_s[kind] = now_s
        # A key is what a producer wrote; only a stream id has been checked.
        extra = {"stream_id": entry.arrival.stream_id} if entry.arrival else {}
        logger.warning(
            "refused %s:%d:%d: %s: %s",
            *record.partition, record.offset, refusal.reason, refusal.detail,
            extra=extra,
        )  # fmt: skip


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
