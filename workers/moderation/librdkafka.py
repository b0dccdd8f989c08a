"""The librdkafka client (extra `librdkafka`): a quarter of the CPU time per megabyte."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any, Final

import confluent_kafka

from workers.errors import BrokerUnavailable, Fenced
from workers.kafka_access import librdkafka_config
from workers.moderation.source import FETCH_WAIT_MS, MAX_POLL_RECORDS, Drain, Positions, Record
from workers.moderation.watermark import Partition
from workers.settings import KafkaSettings

logger = logging.getLogger(__name__)

QUEUE_KILOBYTES: Final = 16 * 1024
"""Prefetched bytes of all partitions; the library's own default is 64 MiB for each."""
_FENCED: Final = (
    confluent_kafka.KafkaError.FENCED_INSTANCE_ID,
    confluent_kafka.KafkaError._FATAL,  # how a consumer learns of it; nothing else is fatal to one
)


class LibrdkafkaSource:
    """The same contract as the default client. Rebalance callbacks run inside `poll`."""

    def __init__(self, settings: KafkaSettings, topic: str, drain: Drain) -> None:
        self._settings = settings
        self._drain = drain
        self._epochs: Counter[Partition] = Counter()
        # Kept here: asking the client from another thread while one polls never returns.
        self._own: frozenset[Partition] = frozenset()
        self._paused = False
        self.has_joined = False
        self._error: confluent_kafka.KafkaError | None = None
        self._late_error: confluent_kafka.KafkaError | None = None
        self.failed_commits = 0
        session_ms = int(settings.session_timeout.total_seconds() * 1000)
        config = librdkafka_config(settings) | {
            "group.id": settings.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "session.timeout.ms": session_ms,
            "heartbeat.interval.ms": min(1000, session_ms // 6),
            "queued.max.messages.kbytes": QUEUE_KILOBYTES,
            "fetch.message.max.bytes": 1 << 20,
            "fetch.queue.backoff.ms": 2,
            "fetch.wait.max.ms": FETCH_WAIT_MS,
            "on_commit": self._committed,
            "error_cb": self._client_error,
        }
        if settings.instance_id is not None:
            config["group.instance.id"] = settings.instance_id
        self._consumer = confluent_kafka.Consumer(config, logger=logger)
        self._check_reachable()
        self._consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._lost
        )

    def poll(self, timeout_s: float) -> list[Record]:
        if self._late_error is not None:
            error, self._late_error = self._late_error, None
            self._raise(error)
        records: list[Record] = []
        # One blocking wait, then whatever is there: `consume` would wait for a full batch.
        message = self._consumer.poll(timeout_s)
        while message is not None:
            if message.error() is not None:
                # What came before it must not be lost: it is not handed out again.
                self._late_error = message.error()
                break
            records.append(self._record(message))
            if len(records) >= MAX_POLL_RECORDS:
                break
            message = self._consumer.poll(0)
        return records

    def pause(self) -> None:
        self._paused = True
        self._consumer.pause(_places(self._own))

    def resume(self) -> None:
        self._paused = False
        self._consumer.resume(_places(self._own))

    def commit(self, positions: Positions) -> None:
        # Another worker may have committed more of a partition that was lost.
        offsets = _offsets({place: at for place, at in positions.items() if place in self._own})
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def lag(self) -> int:
        lag = 0
        try:
            for entry in self._consumer.position(_places(self._own)):
                _, high = self._consumer.get_watermark_offsets(entry, cached=True)
                if entry.offset >= 0:
                    lag += max(0, high - entry.offset)
        except confluent_kafka.KafkaException as error:
            raise BrokerUnavailable(f"Kafka at {self._settings.bootstrap}: {error}") from error
        return lag

    def assigned(self) -> frozenset[Partition]:
        return self._own

    def close(self) -> None:
        self._commit_now(self._drain(self.assigned()))
        self._consumer.close()

    def _check_reachable(self) -> None:
        timeout_s = self._settings.bootstrap_timeout.total_seconds()
        try:
            self._consumer.list_topics(timeout=timeout_s)
        except confluent_kafka.KafkaException as error:
            raise BrokerUnavailable(
                f"Kafka at {self._settings.bootstrap}: {self._error or error}; check "
                "FLAGPOST_KAFKA_BOOTSTRAP and its credentials, or run `flagpost doctor`"
            ) from error

    def _record(self, message: Any) -> Record:
        partition = Partition(message.topic(), message.partition())
        return Record(
            partition,
            message.offset(),
            message.timestamp()[1],
            message.key(),
            tuple(message.headers() or ()),
            message.value(),
            self._epochs[partition],
        )

    def _raise(self, error: Any) -> None:
        if error.fatal() or error.code() in _FENCED:
            raise Fenced(
                f"FLAGPOST_KAFKA_INSTANCE_ID {self._settings.instance_id!r}: {error.str()}"
            )
        raise BrokerUnavailable(f"Kafka at {self._settings.bootstrap}: {error.str()}")

    def _client_error(self, error: Any) -> None:
        self._error = error
        logger.warning("Kafka: %s", error.str())

    def _committed(self, error: Any, _: object) -> None:
        if error is not None:
            self.failed_commits += 1
            logger.warning("commit failed, the next one covers it: %s", error.str())

    def _assigned(self, consumer: Any, partitions: list[Any]) -> None:
        self._own = _partitions(partitions)
        self.has_joined = True
        self._epochs.update(self._own)
        consumer.assign(partitions)
        if self._paused:
            consumer.pause(partitions)

    def _revoked(self, _: object, partitions: list[Any]) -> None:
        moving = _partitions(partitions)
        if moving:
            self._commit_now(self._drain(moving))
            self._own -= moving

    def _lost(self, _: object, partitions: list[Any]) -> None:
        lost = _partitions(partitions)
        self._own -= lost
        self.has_joined = bool(self._own)
        logger.warning("partitions lost: %s", sorted(lost))

    def _commit_now(self, positions: Positions) -> None:
        if not positions:
            return
        try:
            self._consumer.commit(offsets=_offsets(positions), asynchronous=False)
        except confluent_kafka.KafkaException as error:
            logger.warning("commit failed, its messages will be read again: %s", error)


def _offsets(positions: Positions) -> list[Any]:
    return [
        confluent_kafka.TopicPartition(*partition, offset)
        for partition, offset in positions.items()
    ]


def _partitions(entries: list[Any]) -> frozenset[Partition]:
    return frozenset(Partition(entry.topic, entry.partition) for entry in entries)


def _places(partitions: frozenset[Partition]) -> list[Any]:
    return [confluent_kafka.TopicPartition(*partition) for partition in partitions]
