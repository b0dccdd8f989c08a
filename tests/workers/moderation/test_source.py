"""One contract for both Kafka clients, on both brokers."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar
from uuid import uuid4

import pytest

from tests.servers import create_topics, kafka_settings, start_apache_kafka, wait_until
from workers.apache_kafka import ApacheKafka
from workers.brokers import TansuBroker, free_port
from workers.errors import BrokerUnavailable, Fenced, WorkerError
from workers.frames_topic import FramePublisher
from workers.moderation.source import MessageSource, Positions, Record, open_source
from workers.moderation.watermark import Partition
from workers.settings import KafkaSettings

CLIENTS = ("kafka-python", "librdkafka")
Broker = TansuBroker | ApacheKafka
T = TypeVar("T")


class Member:
    """One member of a group, on a thread of its own as in a worker.

    It keeps what it got and, asked to drain, gives its position.
    """

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.records: list[Record] = []
        self.drained: list[frozenset[Partition]] = []
        self.failure: WorkerError | None = None
        self.source: MessageSource = open_source(settings, topic, self._drain)
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def do(self, job: Callable[[], T]) -> T:
        """Runs something between two polls, on the thread that polls."""
        result: Future[T] = Future()
        self._jobs.put(lambda: result.set_result(job()))
        return result.result(30)

    def close(self) -> None:
        self._jobs.put(None)
        self._thread.join(30)
        assert not self._thread.is_alive()

    def values(self) -> list[int]:
        return [int(record.value or b"") for record in tuple(self.records)]

    def positions(self) -> dict[Partition, int]:
        return {record.partition: record.offset + 1 for record in tuple(self.records)}

    def _run(self) -> None:
        while True:
            with contextlib.suppress(queue.Empty):
                job = self._jobs.get_nowait()
                if job is None:
                    break
                job()
            try:
                self.records += self.source.poll(0.05)
            except WorkerError as error:
                self.failure = error
        self.source.close()

    def _drain(self, partitions: frozenset[Partition]) -> Positions:
        self.drained.append(partitions)
        return {p: offset for p, offset in self.positions().items() if p in partitions}


class Group:
    """A topic and a group of their own."""

    def __init__(self, broker: Broker, partitions: int = 1, **changes: object) -> None:
        self.topic = f"frames-{uuid4().hex[:8]}"
        self.settings = kafka_settings(broker.address, group=self.topic, **changes)
        create_topics(broker.address, partitions, self.topic)
        self.publisher = FramePublisher(self.settings, self.topic)
        self._members: list[Member] = []

    def publish(self, count: int, first: int = 0) -> None:
        for number in range(first, first + count):
            self.publisher.publish_record(f"stream-{number}", str(number).encode(), [("n", b"v")])
            self.publisher.flush()  # Tansu counts batches, not records

    def add(self) -> Member:
        member = Member(self.settings, self.topic)
        self._members.append(member)
        return member

    def join(self) -> Member:
        member = self.add()
        wait_until(member.source.assigned, 30)
        return member

    def leave(self, member: Member) -> None:
        self._members.remove(member)
        member.close()

    def close(self) -> None:
        for member in self._members:
            member.close()
        self.publisher.close()


@pytest.fixture(params=CLIENTS)
def group(broker: Broker, request: pytest.FixtureRequest) -> Iterator[Group]:
    made = Group(broker, client=request.param)
    yield made
    made.close()


@pytest.fixture(params=CLIENTS)
def wide_group(broker: Broker, request: pytest.FixtureRequest) -> Iterator[Group]:
    made = Group(broker, partitions=2, client=request.param)
    yield made
    made.close()


def test_records_come_with_their_place_headers_time_and_epoch(group: Group):
    before_ms = int(time.time() * 1000)
    group.publish(3)
    member = group.join()
    wait_until(lambda: len(member.records) == 3)
    first = member.records[0]
    assert [record.offset for record in member.records] == [0, 1, 2]
    assert first.partition == Partition(group.topic, 0)
    assert (first.key, first.value, first.headers) == (b"stream-0", b"0", (("n", b"v"),))
    assert before_ms - 1000 <= first.timestamp_ms <= time.time() * 1000 + 1000
    assert first.epoch == 1


def test_a_paused_member_gets_nothing_and_goes_on_where_it_stopped(group: Group):
    member = group.join()
    member.do(member.source.pause)
    group.publish(2)
    for _ in range(10):
        member.do(lambda: None)
    assert member.records == []
    member.do(member.source.resume)
    wait_until(lambda: member.values() == [0, 1])


def test_the_next_member_starts_after_what_was_committed(group: Group):
    group.publish(4)
    first = group.join()
    wait_until(lambda: len(first.records) == 4)
    first.do(first.records.pop)  # the fourth is never finished
    group.leave(first)
    second = group.join()
    wait_until(lambda: second.values() == [3])


def test_lag_ends_when_all_is_fetched(group: Group):
    member = group.join()
    group.publish(3)
    wait_until(lambda: len(member.records) == 3)
    wait_until(lambda: member.do(member.source.lag) == 0)


def test_a_second_member_takes_over_without_loss_or_repetition(wide_group: Group):
    wide_group.publish(6)
    first = wide_group.join()
    wait_until(lambda: len(first.records) == 6)
    second = wide_group.add()
    wait_until(lambda: len(second.source.assigned()) == len(first.source.assigned()) == 1, 30)
    assert first.drained
    wide_group.publish(6, first=6)
    wait_until(lambda: len(first.records) + len(second.records) >= 12)
    assert sorted(first.values() + second.values()) == list(range(12))

    wide_group.leave(second)
    assert second.drained
    wait_until(lambda: len(first.source.assigned()) == 2, 30)
    wide_group.publish(4, first=12)
    wait_until(lambda: len(first.records) + len(second.records) >= 16)
    assert sorted(first.values() + second.values()) == list(range(16))
    assert max(record.epoch for record in first.records) > 1


@pytest.mark.parametrize("client", CLIENTS)
def test_a_broker_that_does_not_answer_is_named_with_what_to_check(client: str):
    settings = kafka_settings(f"127.0.0.1:{free_port()}", client=client, bootstrap_timeout="PT1S")
    with pytest.raises(BrokerUnavailable, match=settings.bootstrap) as caught:
        open_source(settings, "frames", lambda _: {})
    assert "FLAGPOST_KAFKA_BOOTSTRAP" in str(caught.value)


@pytest.fixture(scope="module")
def own_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    server = start_apache_kafka(tmp_path_factory.mktemp("own-kafka"))
    yield server
    server.stop()


@pytest.fixture
def own_group(own_kafka: ApacheKafka) -> Iterator[Group]:
    made = Group(own_kafka)
    yield made
    made.close()


def test_a_member_gets_a_topic_that_is_created_after_it_came(own_group: Group):
    own_group.topic = f"later-{uuid4().hex[:8]}"
    member = own_group.add()
    member.do(lambda: None)
    create_topics(own_group.settings.bootstrap, 1, own_group.topic)
    wait_until(member.source.assigned, 45)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_worker_with_the_same_instance_id_stops_the_first(
    own_kafka: ApacheKafka, client: str
):
    group = Group(own_kafka, client=client, instance_id="worker-1")
    first = group.join()
    group.join()

    def is_fenced() -> bool:
        first.do(lambda: first.source.commit({Partition(group.topic, 0): 0}))
        return isinstance(first.failure, Fenced)

    wait_until(is_fenced)
    assert "FLAGPOST_KAFKA_INSTANCE_ID 'worker-1'" in str(first.failure)
    group.close()


@pytest.mark.slow
def test_a_member_that_pauses_longer_than_the_session_keeps_its_partitions(own_group: Group):
    member = own_group.join()
    member.do(member.source.pause)
    end_s = time.monotonic() + 7.0
    wait_until(lambda: time.monotonic() > end_s)
    own_group.publish(1)
    member.do(member.source.resume)
    wait_until(lambda: len(member.records) == 1)
    assert member.records[0].epoch == 1


@pytest.mark.slow
def test_after_a_crash_of_the_broker_a_member_and_a_publisher_go_on_by_themselves(
    own_kafka: ApacheKafka, own_group: Group
):
    own_group.publish(3)
    member = own_group.join()
    wait_until(lambda: len(member.records) == 3)
    own_kafka.kill()
    own_kafka.start()

    def published() -> bool:
        try:
            own_group.publish(1, first=3)
        except BrokerUnavailable:
            return False
        return True

    wait_until(published, 60)
    wait_until(lambda: set(member.values()) == {0, 1, 2, 3}, 30)
