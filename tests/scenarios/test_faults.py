"""Whatever dies, the same topic gives the same flags: none lost, none doubled, frames accounted."""

import os
import signal
from collections.abc import Iterator

import pytest

from tests.scenarios.bench_of_streams import Bench
from tests.servers import start_apache_kafka, wait_until

pytestmark = pytest.mark.scenario

STREAMS = [f"s{number}" for number in range(6)]
SECONDS = 40
INCIDENTS_EACH = 2


def expect_every_flag_once(bench: Bench) -> None:
    """Each stream is red twice, from second 5 and 25, for five seconds."""
    flags = bench.flags()
    found = [(flag.stream_id, flag.onset_at.second, flag.closed) for flag in flags]
    assert found == [(name, onset, True) for name in STREAMS for onset in (5, 25)]
    assert bench.openings() == len(flags)
    for flag in flags:
        assert flag.evidence.clip is not None or flag.evidence.missing


def run_to_the_end(bench: Bench, *, already: int = 0) -> None:
    """Publishes what is left and waits until every flag is closed."""
    bench.publish_seconds(STREAMS, already, SECONDS)
    bench.end_streams(STREAMS, SECONDS)
    expected = len(STREAMS) * INCIDENTS_EACH
    wait_until(lambda: len(bench.flags()) == expected, 60)
    wait_until(lambda: all(flag.closed for flag in bench.flags()), 60)


def test_without_any_fault_every_incident_is_one_flag_with_evidence(bench):
    worker = bench.worker()
    run_to_the_end(bench)
    expect_every_flag_once(bench)
    wait_until(lambda: worker.has_settled(len(STREAMS) * (SECONDS + 1)))
    numbers = worker.numbers()
    assert numbers["flagpost_frames_arrived_total"] == numbers["scored"] > 0
    assert worker.stop() == 0


def test_batches_across_streams_give_the_same_flags(fast_bench):
    worker = fast_bench.worker(FLAGPOST_WORKER_COMPOSITION="batched")
    run_to_the_end(fast_bench)
    expect_every_flag_once(fast_bench)
    wait_until(lambda: worker.has_settled(len(STREAMS) * (SECONDS + 1)))


def test_a_killed_worker_changes_no_flag(bench):
    first = bench.worker()
    bench.publish_seconds(STREAMS, 0, 8)
    wait_until(lambda: bench.flags(), 60)
    first.kill()
    bench.publish_seconds(STREAMS, 8, 16)
    bench.worker()
    run_to_the_end(bench, already=16)
    expect_every_flag_once(bench)


def test_killed_decoders_change_no_flag(fast_bench):
    worker = fast_bench.worker()
    fast_bench.publish_seconds(STREAMS, 0, 10)
    wait_until(lambda: worker.numbers().get("flagpost_messages_total", 0) > 5, 60)
    for pid in worker.children():
        os.kill(pid, signal.SIGKILL)
    run_to_the_end(fast_bench, already=10)
    expect_every_flag_once(fast_bench)


def test_a_killed_redis_changes_no_flag(fast_bench, own_redis):
    fast_bench.worker()
    fast_bench.publish_seconds(STREAMS, 0, 8)
    wait_until(lambda: fast_bench.flags(), 60)
    own_redis.kill()
    fast_bench.publish_seconds(STREAMS, 8, 16)
    own_redis.start()
    run_to_the_end(fast_bench, already=16)
    expect_every_flag_once(fast_bench)


def test_while_redis_is_away_the_worker_is_not_ready_and_holds_a_bounded_amount(
    fast_bench, own_redis
):
    worker = fast_bench.worker(FLAGPOST_WORKER_MEMORY=str(16 << 20))
    fast_bench.publish_seconds(STREAMS, 0, 3)
    wait_until(lambda: worker.has_settled(3 * len(STREAMS)), 60)
    own_redis.freeze()
    fast_bench.publish_seconds(STREAMS, 3, 30)
    wait_until(lambda: not worker.answers("/readyz"), 30)
    assert worker.answers("/livez")
    assert worker.numbers()["flagpost_held_bytes"] <= 16 << 20
    own_redis.thaw()
    run_to_the_end(fast_bench, already=30)
    expect_every_flag_once(fast_bench)
    wait_until(lambda: worker.answers("/readyz"), 30)


def test_a_second_worker_that_joins_and_leaves_changes_no_flag(bench):
    bench.worker()
    bench.publish_seconds(STREAMS, 0, 8)
    wait_until(lambda: bench.flags(), 60)
    second = bench.worker()
    # It has partitions when messages reach it; until then one of a stream of its own comes by.
    sent = 0

    def has_joined() -> bool:
        nonlocal sent
        bench.publish(f"probe-{sent % 40}", sent // 40)
        bench.flush()
        sent += 1
        return bool(second.numbers().get("flagpost_messages_total"))

    wait_until(has_joined, 60)
    bench.publish_seconds(STREAMS, 8, 28)
    assert second.stop() == 0
    run_to_the_end(bench, already=28)
    expect_every_flag_once(bench)


@pytest.fixture
def apache_bench(own_redis, bundle, tmp_path) -> Iterator[Bench]:
    """On a broker of its own; the embedded one does not always let a lost member in again."""
    broker = start_apache_kafka(tmp_path / "kafka")
    made = Bench("frozen", broker.address, own_redis, bundle, tmp_path)
    yield made
    made.close()
    broker.stop()


def test_a_worker_frozen_past_its_session_changes_no_flag_when_it_comes_back(apache_bench):
    bench = apache_bench
    first = bench.worker()
    bench.publish_seconds(STREAMS, 0, 8)
    wait_until(lambda: bench.flags(), 60)
    first.process.send_signal(signal.SIGSTOP)
    second = bench.worker()
    bench.publish_seconds(STREAMS, 8, 16)
    wait_until(lambda: second.has_settled(8 * len(STREAMS)), 60)
    first.process.send_signal(signal.SIGCONT)
    assert second.stop() == 0
    run_to_the_end(bench, already=16)
    expect_every_flag_once(bench)


def test_sigterm_hands_over_what_is_not_done(fast_bench):
    first = fast_bench.worker()
    fast_bench.publish_seconds(STREAMS, 0, 20)
    wait_until(lambda: first.numbers().get("flagpost_messages_total", 0) > 5, 60)
    assert first.stop() == 0
    fast_bench.worker()
    run_to_the_end(fast_bench, already=20)
    expect_every_flag_once(fast_bench)


def test_a_broker_that_is_killed_and_comes_back_changes_no_flag(own_redis, bundle, tmp_path):
    broker = start_apache_kafka(tmp_path / "kafka")
    bench = Bench("restarted", broker.address, own_redis, bundle, tmp_path)
    try:
        bench.worker()
        bench.publish_seconds(STREAMS, 0, 8)
        wait_until(lambda: bench.flags(), 60)
        broker.kill()
        broker.start()
        run_to_the_end(bench, already=8)
        expect_every_flag_once(bench)
    finally:
        bench.close()
        broker.stop()
