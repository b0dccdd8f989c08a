"""A bench of streams for each scenario."""

from collections.abc import Iterator

import pytest

from tests.bundles import write_tiny_bundle
from tests.scenarios.bench_of_streams import Bench
from workers.brokers import RedisServer


@pytest.fixture(scope="session")
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def own_redis(tmp_path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bench(request, broker, own_redis, bundle, tmp_path) -> Iterator[Bench]:
    name = f"{request.node.originalname}-{broker.name}".replace(" ", "-")[-80:]
    made = Bench(name, broker.address, own_redis, bundle, tmp_path)
    yield made
    made.close()


@pytest.fixture
def fast_bench(request, tansu, own_redis, bundle, tmp_path) -> Iterator[Bench]:
    """On the embedded broker only: for what does not depend on the broker."""
    made = Bench(request.node.name[-80:], tansu.address, own_redis, bundle, tmp_path)
    yield made
    made.close()
