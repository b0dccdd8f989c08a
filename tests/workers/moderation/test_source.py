"""One contract for both Kafka clients, on both brokers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest

from tests.servers import create_topics, kafka_settings, start_apache_kafka, wait_until
from workers.brokers import ApacheKafka, TansuBroker, free_port
from workers.errors import BrokerUnavailable, Fenced
from workers.frames_topic import FramePublisher
from workers.moderation.source import MessageSource, Positions, Record, open_source
from workers.moderation.watermark import Partition
from workers.settings import KafkaSettings

CLIENTS = ("kafka-python", "librdkafka")
Broker = TansuBroker | ApacheKafka


class Member:
    """One member of a group that keeps what it got and, asked to drain, gives its position."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.records: list[Record] = []
        self.drained: list[frozenset[Partition]] = []
        self.source: MessageSource = open_source(settings, topic, self._drain)

    def poll(self) -> None:
        self.records += self.source.poll(0.05)

    def positions(self) -> dict[Partition, int]:
        return {record.partition: record.offset + 1 for record in self.records}

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
        wait_for(member, until=lambda: bool(member.source.assigned()))
        return member

    def leave(self, member: Member) -> None:
        self._members.remove(member)
        member.source.close()

    def close(self) -> None:
        for member in self._members:
            member.source.close()
        self.publisher.close()


def wait_for(*members: Member, until: Callable[[], bool], timeout_s: float = 30.0) -> None:
    def polled() -> bool:
        for member in members:
            member.poll()
        return until()

    wait_until(polled, timeout_s)


def values(*members: Member) -> list[int]:
    return sorted(int(record.value or b"") for member in members for record in member.records)


@pytest.fixture(params=CLIENTS)
def group(broker: Broker, request: pytest.FixtureRequest) -> Iterator[Group]:
    if request.param == "librdkafka":
        pytest.importorskip("confluent_kafka")
    made = Group(broker, client=request.param)
    yield made
    made.close()


@pytest.fixture(params=CLIENTS)
def wide_group(broker: Broker, request: pytest.FixtureRequest) -> Iterator[Group]:
    if request.param == "librdkafka":
        pytest.importorskip("confluent_kafka")
    made = Group(broker, partitions=2, client=request.param)
    yield made
    made.close()


def test_records_come_with_their_place_headers_time_and_epoch(group: Group):
    before_ms = int(time.time() * 1000)
    group.publish(3)
    member = group.join()
    wait_for(member, until=lambda: len(member.records) == 3)
    first = member.records[0]
    assert [record.offset for record in member.records] == [0, 1, 2]
    assert first.partition == Partition(group.topic, 0)
    assert (first.key, first.value, first.headers) == (b"stream-0", b"0", (("n", b"v"),))
    assert before_ms - 1000 <= first.timestamp_ms <= time.time() * 1000 + 1000
    assert first.epoch == 1


def test_a_paused_member_gets_nothing_and_goes_on_where_it_stopped(group: Group):
    member = group.join()
    member.source.pause()
    group.publish(2)
    for _ in range(10):
        member.poll()
    assert member.records == []
    member.source.resume()
    wait_for(member, until=lambda: len(member.records) == 2)
    assert values(member) == [0, 1]


def test_the_next_member_starts_after_what_was_committed(group: Group):
    group.publish(4)
    first = group.join()
    wait_for(first, until=lambda: len(first.records) == 4)
    first.records = first.records[:3]  # the fourth is never finished
    group.leave(first)
    second = group.join()
    wait_for(second, until=lambda: len(second.records) >= 1)
    assert values(second) == [3]


def test_lag_counts_what_was_not_fetched(group: Group):
    member = group.join()
    group.publish(3)
    wait_for(member, until=lambda: len(member.records) == 3)
    wait_for(member, until=lambda: member.source.lag() == 0)


def test_a_second_member_takes_over_without_loss_or_repetition(wide_group: Group):
    wide_group.publish(6)
    first = wide_group.join()
    wait_for(first, until=lambda: len(first.records) == 6)
    second = wide_group.add()
    wait_for(first, second, until=lambda: bool(second.source.assigned()))
    wait_for(first, second, until=lambda: len(first.source.assigned()) == 1)
    assert first.drained
    wide_group.publish(6, first=6)
    wait_for(first, second, until=lambda: len(first.records) + len(second.records) >= 12)
    assert values(first, second) == list(range(12))

    wide_group.leave(second)
    assert second.drained
    wait_for(first, until=lambda: len(first.source.assigned()) == 2)
    wide_group.publish(4, first=12)
    wait_for(first, until=lambda: values(first, second)[-1] == 15)
    assert values(first, second) == list(range(16))
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
    for _ in range(3):
        member.poll()
    create_topics(own_group.settings.bootstrap, 1, own_group.topic)
    wait_for(member, until=lambda: bool(member.source.assigned()), timeout_s=45)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_second_worker_with_the_same_instance_id_stops_the_first(
    own_kafka: ApacheKafka, client: str
):
    group = Group(own_kafka, client=client, instance_id="worker-1")
    first = group.join()
    second = group.add()
    start = {Partition(group.topic, 0): 0}
    wait_for(second, until=lambda: bool(second.source.assigned()))

    def commits_for_ever() -> bool:
        first.source.commit(start)
        return False

    with pytest.raises(Fenced, match="FLAGPOST_KAFKA_INSTANCE_ID 'worker-1'"):
        wait_for(first, second, until=commits_for_ever)
    group.close()


@pytest.mark.slow
def test_a_member_that_pauses_longer_than_the_session_keeps_its_partitions(own_group: Group):
    member = own_group.join()
    member.source.pause()
    end_s = time.monotonic() + 7.0
    wait_for(member, until=lambda: time.monotonic() > end_s)
    own_group.publish(1)
    member.source.resume()
    wait_for(member, until=lambda: len(member.records) == 1)
    assert member.records[0].epoch == 1


@pytest.mark.slow
def test_after_a_crash_of_the_broker_a_member_and_a_publisher_go_on_by_themselves(
    own_kafka: ApacheKafka, own_group: Group
):
    own_group.publish(3)
    member = own_group.join()
    wait_for(member, until=lambda: len(member.records) == 3)
    own_kafka.kill()
    own_kafka.start()

    def published() -> bool:
        try:
            own_group.publish(1, first=3)
        except BrokerUnavailable:
            return False
        return True

    def arrived() -> bool:
        try:
            member.poll()
        except BrokerUnavailable:
            return False
        return set(values(member)) == {0, 1, 2, 3}

    wait_until(published, 60)
    wait_until(arrived, 30)
