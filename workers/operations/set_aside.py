"""Dead letters as operators read them: without a group, so that nobody's position moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from schemas.errors import MessageRejected
from schemas.frames import Header, capture_time, frame_message_from_record
from workers.errors import BrokerUnavailable, ConfigurationRejected
from workers.kafka_access import client_config, last_client_error
from workers.moderation.deadletters import HEADER_PREFIX, attempt_of
from workers.settings import KafkaSettings

POLL_MS: Final = 300
PATIENCE_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused message with where it lies, where it came from and why it was refused."""

    place: str
    """`PARTITION:OFFSET` in the dead letters topic."""
    at: datetime
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    attempt: int
    size_bytes: int
    sha256: str
    key: bytes
    headers: tuple[Header, ...]
    value: bytes

    @property
    def stream(self) -> str:
        return self.key.decode(errors="replace")

    @property
    def source(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @property
    def has_media(self) -> bool:
        """False where the media was over the topic's limit and stayed at its source."""
        return len(self.value) == self.size_bytes

    def original_headers(self) -> list[Header]:
        """Headers as the producer sent them."""
        return [(name, text) for name, text in self.headers if not name.startswith(HEADER_PREFIX)]

    def broken_rule(self) -> MessageRejected | None:
        """The header that breaks the contract of today, if one does."""
        value = self.value if self.has_media else b"-"
        try:
            frame_message_from_record(self.original_headers(), value)
        except MessageRejected as rejection:
            return rejection
        return None


class TopicReader:
    """Reads a topic from its beginning to where it ends now; use it in a `with` statement."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Connects; raises BrokerUnavailable where nothing answers."""
        self._settings = settings
        try:
            self._consumer = KafkaConsumer(
                **client_config(settings),
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                max_poll_records=50,
            )
        except KafkaError as error:
            raise BrokerUnavailable(last_client_error(settings, error)) from error

    def __enter__(self) -> TopicReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close(autocommit=False)

    def dead_letters(self, progress: Callable[[int, int], None]) -> Iterator[DeadLetter]:
        """All dead letters, oldest first within a partition.

        Args:
            progress: Called with how many were read and how many there are.

        Raises:
            ConfigurationRejected: There is no such topic.
            BrokerUnavailable: The broker stopped answering.
        """
        topic = self._settings.dead_letters_topic
        partitions = [TopicPartition(topic, number) for number in self._partitions(topic)]
        try:
            first = self._consumer.beginning_offsets(partitions, timeout_ms=PATIENCE_MS)
            last = self._consumer.end_offsets(partitions, timeout_ms=PATIENCE_MS)
            total = sum(last.values()) - sum(first.values())
            self._consumer.assign([place for place in partitions if last[place] > first[place]])
            for count, record in enumerate(self._until(last), 1):
                progress(count, max(count, total))
                yield dead_letter(record)
        except KafkaError as error:
            raise BrokerUnavailable(f"topic {topic}: {error}; see `flagpost doctor`") from error

    def record_at(self, topic: str, partition: int, offset: int) -> Any | None:
        """One record of any topic; None where it is not there any more."""
        place = TopicPartition(topic, partition)
        try:
            self._consumer.assign([place])
            first = self._consumer.beginning_offsets([place], timeout_ms=PATIENCE_MS)[place]
            last = self._consumer.end_offsets([place], timeout_ms=PATIENCE_MS)[place]
            if not first <= offset < last:
                return None
            self._consumer.seek(place, offset)
            records = self._consumer.poll(timeout_ms=PATIENCE_MS, max_records=1).get(place, [])
        except KafkaError as error:
            raise BrokerUnavailable(f"topic {topic}: {error}; see `flagpost doctor`") from error
        return records[0] if records and records[0].offset == offset else None

    def _partitions(self, topic: str) -> set[int]:
        numbers: set[int] | None = self._consumer.partitions_for_topic(topic)
        if not numbers:
            raise ConfigurationRejected(f"topic {topic}: missing; `flagpost topics create`")
        return numbers

    def _until(self, last: dict[TopicPartition, int]) -> Iterator[Any]:
        """Records up to the offsets in `last`, and what came after them in the same fetches.

        An embedded broker counts batches, not records, so the end is also a poll with nothing.
        """
        assigned = self._consumer.assignment()
        while assigned:
            batches = self._consumer.poll(timeout_ms=POLL_MS)
            for batch in batches.values():
                yield from batch
            at_end = all(
                self._consumer.position(place, timeout_ms=PATIENCE_MS) >= last[place]
                for place in assigned
            )
            if at_end and not batches:
                return


def dead_letter(record: Any) -> DeadLetter:
    """A record of the dead letters topic, by the headers that workers write."""
    headers = tuple((name, text or b"") for name, text in record.headers)
    texts = {
        name: text.decode(errors="replace")
        for name, text in headers
        if name.startswith(HEADER_PREFIX)
    }
    value = record.value or b""
    return DeadLetter(
        place=f"{record.partition}:{record.offset}",
        at=capture_time(record.timestamp / 1000),
        reason=texts.get("dl_reason", "unknown"),
        detail=texts.get("dl_detail", "written by something else than a worker"),
        topic=texts.get("dl_topic", ""),
        partition=int(texts.get("dl_partition", 0)),
        offset=int(texts.get("dl_offset", 0)),
        attempt=attempt_of(headers),
        size_bytes=int(texts.get("dl_bytes", len(value))),
        sha256=texts.get("dl_sha256", ""),
        key=record.key or b"",
        headers=headers,
        value=value,
    )
