"""The poll loop keeps everything that it was handed, pauses at its budget and ends loudly."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

import pytest

from tests.servers import wait_until
from workers.errors import BrokerUnavailable, Fatal, Fenced
from workers.moderation import consume
from workers.moderation.consume import Consumer
from workers.moderation.source import Positions, Record
from workers.moderation.watermark import Partition
from workers.telemetry import Health

P = Partition("frames", 0)
Step = Callable[[], list[Record]]


def record(offset: int, value: bytes = b"media") -> Record:
    return Record(P, offset, 0, b"s", (), value, 1)


class ScriptedSource:
    """A source whose polls and lags are given; it stands for either Kafka client."""

    def __init__(self, *steps: Step, lag: Callable[[], int] = lambda: 0) -> None:
        self.steps = deque(steps)
        self._lag = lag
        self.has_joined = True
        self.is_paused = False
        self.is_closed = False
        self.committed: list[Positions] = []

    def poll(self, timeout_s: float) -> list[Record]:
        if self.is_paused or not self.steps:
            return []
        return self.steps.popleft()()

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def commit(self, positions: Positions) -> None:
        if positions:
            self.committed.append(dict(positions))

    def lag(self) -> int:
        return self._lag()

    def assigned(self) -> frozenset[Partition]:
        return frozenset({P})

    def close(self) -> None:
        self.is_closed = True


def fails(error: Exception) -> Callable[[], list[Record]]:
    def fail() -> list[Record]:
        raise error

    return fail


@pytest.fixture
def consuming(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Consumer]]:
    monkeypatch.setattr(consume, "RETRY_S", 0.01)
    monkeypatch.setattr(consume, "LAG_EVERY_S", 0.0)
    monkeypatch.setattr(consume, "PATIENCE_S", 0.05)
    made: list[Consumer] = []

    def start(
        source: ScriptedSource, budget_bytes: int = 1 << 20, health: Health | None = None
    ) -> Consumer:
        health = health or Health(("consume",))
        consumer = Consumer(lambda: source, budget_bytes, lambda: None, health)
        consumer.start()
        made.append(consumer)
        return consumer

    yield start
    for consumer in made:
        consumer.stop()
    wait_until(lambda: not any(consumer.is_alive for consumer in made))


def taken(consumer: Consumer, count: int) -> list[int]:
    offsets: list[int] = []

    def enough() -> bool:
        offsets.extend(one.offset for one in consumer.take())
        return len(offsets) >= count

    wait_until(enough)
    return offsets


def test_records_are_kept_when_lag_cannot_be_measured(consuming):
    def away() -> int:
        raise BrokerUnavailable("away")

    source = ScriptedSource(lambda: [record(1), record(2)], lag=away)
    assert taken(consuming(source), 2) == [1, 2]


def test_a_worker_is_not_ready_before_the_group_gave_it_its_partitions(consuming):
    health, source = Health(("consume",)), ScriptedSource(lambda: [record(1)])
    source.has_joined = False
    consumer = consuming(source, health=health)
    assert taken(consumer, 1) == [1]
    assert health.obstacles()["kafka"] == "joining the consumer group"
    source.has_joined = True
    wait_until(lambda: "kafka" not in health.obstacles())


def test_after_an_outage_consuming_goes_on(consuming):
    source = ScriptedSource(
        lambda: [record(1)], fails(BrokerUnavailable("away")), lambda: [record(2)]
    )
    assert taken(consuming(source), 2) == [1, 2]


def test_at_its_budget_it_pauses_and_resumes_when_room_is_given_back(consuming):
    source = ScriptedSource(lambda: [record(1, b"x" * 100)], lambda: [record(2)])
    consumer = consuming(source, budget_bytes=100)
    wait_until(lambda: consumer.is_paused)
    assert taken(consumer, 1) == [1]
    assert source.is_paused
    consumer.free(100)
    assert taken(consumer, 1) == [2]


def test_at_its_budget_it_waits_for_room_before_it_pauses(consuming, monkeypatch):
    monkeypatch.setattr(consume, "PATIENCE_S", 60.0)
    source = ScriptedSource(lambda: [record(1, b"x" * 100)], lambda: [record(2)])
    consumer = consuming(source, budget_bytes=100)
    assert taken(consumer, 1) == [1]
    consumer.commit({P: 1})
    wait_until(lambda: source.committed)
    assert (source.is_paused, len(source.steps)) == (False, 1)
    consumer.free(100)
    assert taken(consumer, 1) == [2]


def test_the_newest_position_is_committed(consuming):
    source = ScriptedSource()
    consumer = consuming(source)
    consumer.commit({P: 5})
    wait_until(lambda: source.committed)
    assert source.committed == [{P: 5}]


@pytest.mark.parametrize(
    ("error", "kind"), [(Fenced("another worker"), Fenced), (ValueError("a bug"), Fatal)]
)
def test_what_cannot_go_on_ends_the_thread_with_its_reason(consuming, error, kind):
    source = ScriptedSource(fails(error))
    consumer = consuming(source)
    wait_until(lambda: not consumer.is_alive)
    assert isinstance(consumer.failure, kind)
    assert str(error) in str(consumer.failure)
    assert source.is_closed


def test_a_stop_closes_the_source_and_is_no_failure(consuming):
    source = ScriptedSource()
    consumer = consuming(source)
    consumer.stop()
    wait_until(lambda: not consumer.is_alive)
    assert source.is_closed
    assert consumer.failure is None
