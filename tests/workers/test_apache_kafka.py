"""A Kafka is found by its libraries and comes back where it was, with what it held."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.servers import create_topics, kafka_settings, missing
from workers.apache_kafka import ApacheKafka, kafka_home
from workers.errors import Fatal
from workers.operations.cluster import Cluster


@pytest.fixture(scope="module")
def home() -> Path:
    given = os.environ.get("KAFKA_HOME")
    found = kafka_home(Path(given) if given else None)
    if found is None:
        missing("Apache Kafka (KAFKA_HOME, or shared/kafka beside the project, and Java)")
    assert found is not None
    return found


def test_any_directory_with_kafkas_libraries_is_a_home(home: Path, tmp_path: Path):
    (tmp_path / "libs").symlink_to(home / "libs")
    assert kafka_home(tmp_path) == tmp_path


def test_a_directory_without_them_is_none(home: Path, tmp_path: Path):
    assert kafka_home(tmp_path) == kafka_home(None)


def test_a_broker_comes_back_at_its_address_with_its_topics(home: Path, tmp_path: Path):
    server = ApacheKafka(tmp_path, home)
    server.start()
    try:
        address = server.address
        create_topics(address, 2, "frames")
        server.kill()
        server.start()
        with Cluster(kafka_settings(address)) as cluster:
            assert cluster.brokers() == 1
            assert cluster.topic("frames") is not None
    finally:
        server.stop()


def test_a_setting_that_kafka_refuses_is_told_in_its_words(home: Path, tmp_path: Path):
    server = ApacheKafka(tmp_path, home, "node.id=nonsense")
    with pytest.raises(Fatal, match="nonsense"):
        server.start()
