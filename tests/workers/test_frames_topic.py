"""What is published arrives whole, and what cannot arrive is told, without hurting the rest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from uuid import uuid4

import pytest
from kafka import KafkaConsumer
from kafka.structs import TopicPartition

import workers.frames_topic
from schemas.examples import frame_message
from schemas.frames import frame_message_from_record
from tests.servers import (
    create_topics,
    kafka_settings,
    start_apache_kafka,
    start_tansu,
    wait_until,
)
from workers.apache_kafka import ApacheKafka
from workers.brokers import TansuBroker, free_port
from workers.errors import BrokerUnavailable
from workers.frames_topic import FramePublisher, RecordRefused
from workers.settings import MIB

CLIENTS = ("kafka-python", "librdkafka")


def records(address: str, topic: str, count: int) -> list:
    place = TopicPartition(topic, 0)
    consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
    consumer.assign([place])
    found: list = []

    def arrived() -> bool:
        found.extend(consumer.poll(100).get(place, []))
        return len(found) >= count

    wait_until(arrived)
    consumer.close()
    return found


@pytest.fixture
def topic(broker: TansuBroker | ApacheKafka) -> str:
    name = f"frames-{uuid4().hex[:8]}"
    create_topics(broker.address, 1, name)
    return name


@pytest.fixture(params=CLIENTS)
def publisher(
    broker: TansuBroker | ApacheKafka, topic: str, request: pytest.FixtureRequest
) -> Iterator[FramePublisher]:
    made = FramePublisher(kafka_settings(broker.address, client=request.param), topic)
    yield made
    made.close()


def test_a_message_arrives_as_it_was_published(broker, topic, publisher):
    publisher.publish(frame_message())
    publisher.flush()
    (found,) = records(broker.address, topic, 1)
    assert found.key == frame_message().stream_id.encode()
    assert frame_message_from_record(found.headers, found.value) == frame_message()


def test_messages_of_one_stream_keep_their_order(broker, topic, publisher):
    for number in range(50):
        publisher.publish_record("s", str(number).encode())
    publisher.flush()
    assert [int(found.value) for found in records(broker.address, topic, 50)] == list(range(50))


@pytest.mark.parametrize("client", CLIENTS)
def test_a_broker_that_restarts_changes_no_order(client: str, tmp_path):
    server = start_apache_kafka(tmp_path)
    create_topics(server.address, 1, "frames")
    publisher = FramePublisher(kafka_settings(server.address, client=client), "frames")
    for number in range(1000):
        publisher.publish_record("s", str(number).encode())
        if number == 100:
            server.kill()
        if number == 900:
            server.start()
    publisher.flush()
    found = [int(record.value) for record in records(server.address, "frames", 1000)]
    # A retry may double what was acknowledged to nobody; a worker drops it by its number.
    assert list(dict.fromkeys(found)) == list(range(1000))
    publisher.close()
    server.stop()


def test_a_record_over_the_limit_is_refused_with_its_size_and_what_mends_it(publisher):
    with pytest.raises(RecordRefused, match="got 8388612 bytes, the topic takes 8388608") as caught:
        publisher.publish_record("s123", b"x" * (8 * MIB))
    assert "flagpost topics create" in str(caught.value)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_record_that_the_broker_refuses_does_not_hurt_later_ones(
    client: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
):
    server: ApacheKafka = request.getfixturevalue("apache_kafka")
    name = f"small-{uuid4().hex[:8]}"
    create_topics(server.address, 1, name)  # Kafka's own limit: 1 MiB
    publisher = FramePublisher(kafka_settings(server.address, client=client), name)
    publisher.publish_record("s", b"x" * (2 * MIB))
    with pytest.raises(RecordRefused, match=r"max\.message\.bytes"):
        publisher.flush()
    publisher.publish_record("s", b"small")
    publisher.flush()
    assert [found.value for found in records(server.address, name, 1)] == [b"small"]
    publisher.close()


@pytest.fixture(scope="module")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApacheKafka]:
    server = start_apache_kafka(tmp_path_factory.mktemp("limits"))
    yield server
    server.stop()


@pytest.mark.parametrize("client", CLIENTS)
def test_publishing_waits_while_too_much_is_in_flight(
    client: str, tmp_path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(workers.frames_topic, "IN_FLIGHT_BYTES", 3 * MIB)
    server = start_tansu(tmp_path)
    create_topics(server.address, 1, "frames")
    publisher = FramePublisher(kafka_settings(server.address, client=client), "frames")
    publisher.publish_record("s", b"first")
    publisher.flush()
    server.freeze()
    for _ in range(2):
        publisher.publish_record("s", b"x" * MIB)
    third = threading.Thread(target=publisher.publish_record, args=("s", b"x" * MIB))
    third.start()
    third.join(0.3)
    assert third.is_alive()
    server.thaw()
    third.join(20)
    assert not third.is_alive()
    publisher.close()
    server.stop()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_failed_delivery_is_told(client: str, tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers.frames_topic, "SEND_TIMEOUT_S", 1.5)
    server = start_tansu(tmp_path)
    create_topics(server.address, 1, "frames")
    publisher = FramePublisher(kafka_settings(server.address, client=client), "frames")
    publisher.publish_record("s", b"first")
    publisher.flush()
    server.freeze()
    publisher.publish_record("s", b"second")
    with pytest.raises(BrokerUnavailable, match="topic frames"):
        publisher.flush(5)
    server.thaw()
    publisher.close()
    server.stop()


def test_a_broker_that_is_not_there_is_named():
    address = f"127.0.0.1:{free_port()}"
    settings = kafka_settings(address, bootstrap_timeout="PT1S")
    with pytest.raises(BrokerUnavailable, match="ECONNREFUSED") as caught:
        FramePublisher(settings, "frames")
    assert address in str(caught.value)
    assert "flagpost doctor" in str(caught.value)
