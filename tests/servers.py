"""Real servers for tests: started on free loopback ports, stopped by process id."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from kafka import KafkaAdminClient
from pydantic import SecretStr

from workers.apache_kafka import ApacheKafka, kafka_home
from workers.brokers import RedisServer, TansuBroker
from workers.errors import ConfigurationRejected
from workers.settings import KafkaSettings, RedisSettings

KAFKA_PROPERTIES = ("broker.session.timeout.ms=3000", "broker.heartbeat.interval.ms=500")


def wait_until(holds: Callable[[], object], timeout_s: float = 20.0, every_s: float = 0.02) -> None:
    """Waits for a condition; fails with its source where it never holds."""
    end_s = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > end_s:
            pytest.fail(f"did not hold within {timeout_s} s")
        time.sleep(every_s)


def missing(what: str) -> None:
    """Absent here: a skip on a laptop, a failure in CI, so that a green CI means it ran."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing, and CI runs every test")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory) -> Iterator[RedisServer]:
    try:
        server = RedisServer(tmp_path_factory.mktemp("redis"))
    except ConfigurationRejected as error:
        missing(str(error))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_settings(redis_server: RedisServer) -> Iterator[RedisSettings]:
    settings = RedisSettings(url=SecretStr(redis_server.url))
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield settings
        for key in client.keys("*"):
            assert key.startswith(b"fq:{"), f"a key outside the queue was left: {key!r}"


def start_tansu(directory: Path) -> TansuBroker:
    try:
        broker = TansuBroker(directory)
        broker.start()
    except ConfigurationRejected as error:
        missing(str(error))
    return broker


def start_apache_kafka(directory: Path, *properties: str) -> ApacheKafka:
    home = os.environ.get("KAFKA_HOME")
    found = kafka_home(Path(home) if home else None)
    if found is None:
        missing("Apache Kafka (KAFKA_HOME, or shared/kafka beside the project, and Java)")
    assert found is not None
    broker = ApacheKafka(directory, found, *KAFKA_PROPERTIES, *properties)
    broker.start()
    return broker


@pytest.fixture(scope="session", params=["tansu", "apache"])
def broker(request, tmp_path_factory) -> Iterator[TansuBroker | ApacheKafka]:
    directory = tmp_path_factory.mktemp(request.param)
    start = start_tansu if request.param == "tansu" else start_apache_kafka
    server = start(directory)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def tansu(tmp_path_factory) -> Iterator[TansuBroker]:
    server = start_tansu(tmp_path_factory.mktemp("tansu-only"))
    yield server
    server.stop()


def create_topics(address: str, partitions: int, *names: str, **configs: str) -> None:
    wanted = {
        name: {"num_partitions": partitions, "replication_factor": 1, "configs": configs}
        for name in names
    }
    with KafkaAdminClient(bootstrap_servers=address) as admin:
        admin.create_topics(wanted)


def kafka_settings(address: str, **changes: object) -> KafkaSettings:
    values = {"bootstrap": address, "session_timeout": "PT6S", **changes}
    return KafkaSettings.model_validate(values)
