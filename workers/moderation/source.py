"""Where messages come from: one small interface, two Kafka clients behind it.

The poll loop is never blocked by work: while there is no room, partitions are paused and polling
goes on, so that membership of the group is kept.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from kafka import KafkaConsumer
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import (
    FencedInstanceIdError,
    IllegalStateError,
    KafkaError,
    UnknownTopicOrPartitionError,
)
from kafka.future import Future
from kafka.structs import OffsetAndMetadata, TopicPartition

from schemas.frames import Header
from workers.errors import BrokerUnavailable, Fenced
from workers.kafka_access import client_config, last_client_error
from workers.moderation.watchdog import FetchWatch
from workers.moderation.watermark import Partition
from workers.settings import MIB, KafkaSettings

logger = logging.getLogger(__name__)

MAX_POLL_RECORDS: Final = 20
FETCH_BYTES: Final = 16 * MIB
FETCH_WAIT_MS: Final = 50
"""A broker that only looks again after half of it (Tansu) would add 125 ms at the default."""
METADATA_MS: Final = 5000
JOIN_S: Final = 2.0
"""Poll while joining. kafka-python 3.0.12 begins a join anew that ends between two polls."""
Positions = Mapping[Partition, int]
Drain = Callable[[frozenset[Partition]], Positions]
"""Finishes work of partitions that move away, for a bounded time; returns what to commit."""


@dataclass(frozen=True, slots=True)
class Record:
    """One message of a partition; `epoch` counts the partition's assignments to this worker."""

    partition: Partition
    offset: int
    timestamp_ms: int
    key: bytes | None
    headers: tuple[Header, ...]
    value: bytes | None
    epoch: int


class MessageSource(Protocol):
    """One member of a consumer group. One thread polls; `drain` is called on another."""

    has_joined: bool
    """The group has told it its partitions, be they none."""

    def poll(self, timeout_s: float) -> list[Record]:
        """Records that came, as soon as any did.

        Raises:
            BrokerUnavailable: Nothing answers now; poll again.
            Fenced: Another process took this one's place.
        """
        ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def commit(self, positions: Positions) -> None:
        """Commits without waiting; a failed commit is counted, the next one covers it."""
        ...

    def lag(self) -> int:
        """Messages of the own partitions that were not fetched yet.

        Raises:
            BrokerUnavailable: Nothing answers now.
        """
        ...

    def assigned(self) -> frozenset[Partition]: ...

    def close(self) -> None:
        """Leaves the group after a last drain and commit."""
        ...


class KafkaPythonSource:
    """kafka-python: pure Python, no compiler needed anywhere."""

    def __init__(self, settings: KafkaSettings, topic: str, drain: Drain) -> None:
        self._settings = settings
        self._topic = topic
        self._drain = drain
        self._epochs: Counter[Partition] = Counter()
        self._paused = False
        self.has_joined = False
        self._fenced: FencedInstanceIdError | None = None
        self._watch = FetchWatch()
        self.failed_commits = 0
        session_ms = int(settings.session_timeout.total_seconds() * 1000)
        try:
            self._consumer = KafkaConsumer(
                **client_config(settings),
                group_id=settings.group,
                group_instance_id=settings.instance_id,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                session_timeout_ms=session_ms,
                heartbeat_interval_ms=min(1000, session_ms // 6),
                max_poll_records=MAX_POLL_RECORDS,
                fetch_max_bytes=FETCH_BYTES,
                fetch_max_wait_ms=FETCH_WAIT_MS,
            )
            self._consumer.subscribe([topic], listener=_Listener(self))
            self._learn(topic)
        except KafkaError as error:
            raise BrokerUnavailable(last_client_error(settings, error)) from error

    def poll(self, timeout_s: float) -> list[Record]:
        if self._fenced is not None:
            raise Fenced(_fenced_text(self._settings)) from self._fenced
        coordinator = self._consumer._coordinator
        if coordinator._join_task is not None or coordinator.need_rejoin():
            timeout_s = max(timeout_s, JOIN_S)
        try:
            batches = self._consumer.poll(timeout_ms=int(timeout_s * 1000))
        except FencedInstanceIdError as error:
            raise Fenced(_fenced_text(self._settings)) from error
        except KafkaError as error:
            raise BrokerUnavailable(last_client_error(self._settings, error)) from error
        finally:
            self._keep_joining()
        return [self._record(message) for batch in batches.values() for message in batch]

    def pause(self) -> None:
        self._paused = True
        self._watch.forget()
        self._each(self._consumer.pause)

    def resume(self) -> None:
        self._paused = False
        self._each(self._consumer.resume)

    def commit(self, positions: Positions) -> None:
        # Another worker may have committed more of a partition that was lost.
        own = self.assigned()
        offsets = _offsets({place: at for place, at in positions.items() if place in own})
        if not offsets:
            return
        try:
            self._consumer.commit_async(offsets).add_errback(self._commit_failed)
        except KafkaError as error:
            self._commit_failed(error)

    def lag(self) -> int:
        try:
            places = self._places()
        except KafkaError as error:
            raise BrokerUnavailable(last_client_error(self._settings, error)) from error
        if not self._paused:
            self._unstick(places)
        return sum(max(0, end - position) for position, end in places.values())

    def assigned(self) -> frozenset[Partition]:
        return frozenset(_partitions(self._consumer.assignment()))

    def close(self) -> None:
        positions = self._drain(self.assigned())
        try:
            if positions:
                self._consumer.commit(_offsets(positions), timeout_ms=3000)
        except KafkaError as error:
            logger.warning("last commit failed, its messages will be read again: %s", error)
        try:
            self._consumer.close(autocommit=False, timeout_ms=5000)
        except KafkaError as error:
            logger.warning("leaving the group failed: %s", error)

    def _learn(self, topic: str) -> None:
        """Waits for the topic's partitions: to join without them costs a second rebalance."""
        consumer = self._consumer
        update = consumer._cluster.request_update()
        with contextlib.suppress(UnknownTopicOrPartitionError):
            consumer._net.run(consumer._manager.wait_for, update, METADATA_MS)
        if not consumer._cluster.partitions_for_topic(topic):
            logger.warning("topic %s is missing; `flagpost topics create`", topic)

    def _keep_joining(self) -> None:
        """Lets the next poll finish a join that took longer than this one.

        kafka-python 3.0.12 forgets it where new metadata was the reason to join: the member then
        has no partitions, sends no heartbeats and never tries again.
        """
        coordinator = self._consumer._coordinator
        if coordinator._join_task is not None:
            coordinator.request_rejoin()

    def _each(self, change: Callable[[TopicPartition], None]) -> None:
        for partition in self._consumer.assignment():
            with contextlib.suppress(KeyError):  # a rebalance just took it
                change(partition)

    def _places(self) -> dict[Partition, tuple[int, int]]:
        """Position and end of the own partitions, as far as both are known."""
        places: dict[Partition, tuple[int, int]] = {}
        for partition in self._consumer.assignment():
            with contextlib.suppress(IllegalStateError):  # a rebalance just took it
                end = self._consumer.highwater(partition)
                position = self._consumer.position(partition, timeout_ms=1000)
                if end is not None and position is not None:
                    places[Partition(partition.topic, partition.partition)] = (position, end)
        return places

    def _unstick(self, places: Mapping[Partition, tuple[int, int]]) -> None:
        for partition in self._watch.stuck(places, time.monotonic()):
            position, end = places[partition]
            logger.warning("%s stood still at %d of %d; seeking", partition, position, end)
            with contextlib.suppress(ValueError):  # a rebalance just took it
                self._consumer.seek(TopicPartition(*partition), position)

    def _record(self, message: Any) -> Record:
        partition = Partition(message.topic, message.partition)
        return Record(
            partition,
            message.offset,
            message.timestamp,
            message.key,
            tuple(message.headers),
            message.value,
            self._epochs[partition],
        )

    def _commit_failed(self, error: Exception) -> None:
        self.failed_commits += 1
        if isinstance(error, FencedInstanceIdError):
            self._fenced = error
        else:
            logger.warning("commit failed, the next one covers it: %s", error)

    async def _revoked(self, partitions: Iterable[TopicPartition]) -> None:
        """Runs on the client's own thread; blocking here would stop heartbeats."""
        moving = frozenset(_partitions(partitions))
        if not moving:
            return
        drained = Future()
        threading.Thread(target=self._drain_into, args=(moving, drained), daemon=True).start()
        positions: Positions = await drained
        if positions:
            try:
                await self._consumer.commit_async(_offsets(positions))
            except KafkaError as error:
                self._commit_failed(error)

    def _drain_into(self, moving: frozenset[Partition], drained: Future) -> None:
        positions: Positions = {}
        try:
            positions = self._drain(moving)
        finally:
            self._consumer._net.call_soon_threadsafe(lambda: drained.success(positions))

    def _assigned(self, partitions: Iterable[TopicPartition]) -> None:
        self._epochs.update(_partitions(partitions))
        self.has_joined = True
        if self._paused:
            self._consumer.pause(*partitions)


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python is untyped
    """Called on the client's own thread; never commits synchronously there."""

    def __init__(self, source: KafkaPythonSource) -> None:
        self._source = source

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._source._revoked(revoked)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._source._assigned(assigned)

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        moving = frozenset(_partitions(lost))
        if moving:
            self._source.has_joined = False
            logger.warning("partitions lost: %s", sorted(moving))


def open_source(settings: KafkaSettings, topic: str, drain: Drain) -> MessageSource:
    """The source that the settings name.

    Raises:
        BrokerUnavailable: Nothing answers at the address.
        ConfigurationRejected: The client library is not installed.
    """
    if settings.client == "librdkafka":
        from workers.moderation.librdkafka import LibrdkafkaSource  # only with its extra

        return LibrdkafkaSource(settings, topic, drain)
    return KafkaPythonSource(settings, topic, drain)


def _partitions(found: Iterable[TopicPartition]) -> list[Partition]:
    return [Partition(entry.topic, entry.partition) for entry in found]


def _offsets(positions: Positions) -> dict[TopicPartition, OffsetAndMetadata]:
    return {
        TopicPartition(*partition): OffsetAndMetadata(offset, "", -1)
        for partition, offset in positions.items()
    }


def _fenced_text(settings: KafkaSettings) -> str:
    return (
        f"FLAGPOST_KAFKA_INSTANCE_ID {settings.instance_id!r}: another worker uses the same name; "
        "give each worker its own"
    )
