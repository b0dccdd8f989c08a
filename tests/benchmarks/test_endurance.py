"""A worker under steady load: its delays, its memory over half an hour, a Redis that goes away.

`make bench ARGS='-k endurance'`; FLAGPOST_BENCH_MINUTES shortens the half hour.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.benchmarks.live import SEGMENT_S
from tests.benchmarks.rig import CLIENT, fill, measured_drain, report, worker
from tests.scenarios.bench_of_streams import Bench, RunningWorker
from tests.servers import wait_until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

FILLED = 2000
MINUTES = float(os.environ.get("FLAGPOST_BENCH_MINUTES", "30"))
BEHIND, TOPPED_UP = 600, 300
"""Full load: so many messages behind at least, topped up by so many."""
OUTAGE_S = 60.0
WARM_UP_S = 10.0
LATENCIES = ("score", "flag")


@contextmanager
def streaming(bench: Bench, clips: Path, streams: int, seconds: float) -> Iterator[int]:
    """Publishes paced streams meanwhile; gives the number of messages that will have been sent."""
    arguments = [
        bench.kafka.bootstrap, bench.frames_topic, str(clips), streams, seconds, CLIENT, False,
    ]  # fmt: skip
    command = [sys.executable, "-m", "tests.benchmarks.live", json.dumps(arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as producer:
        yield int(streams * seconds / SEGMENT_S)
        assert producer.wait() == 0


def memory_mib(running: RunningWorker) -> float:
    """Proportional set size of the worker and its children: shared pages count once."""
    return sum(map(_pss_mib, (running.process.pid, *running.children())))


def _pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0  # a child that was just replaced
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def test_endurance_of_delays_at_seven_tenths_of_full_load(bench, clips, flagged_clips):
    """Shares of messages scored, and of flags in Redis, within a second of Kafka's timestamp."""
    drained = measured_drain(bench, clips, FILLED)
    running = worker(bench, FLAGPOST_KAFKA_INSTANCE_ID="bench")
    wait_until(lambda: running.answers("/readyz"), 60)
    streams = int(0.7 * drained * SEGMENT_S)
    with streaming(bench, flagged_clips, streams, WARM_UP_S + 60) as messages:
        time.sleep(WARM_UP_S)
        warm = {name: running.buckets(f"flagpost_{name}_latency_seconds") for name in LATENCIES}
    wait_until(lambda: running.has_settled(messages), 60)
    shares = {name: _shares(running, name, warm[name]) for name in LATENCIES}
    report("delays", drained_per_s=round(drained, 1), streams=streams, share_within_s=shares)


def _shares(running: RunningWorker, name: str, before: dict[str, float]) -> dict[str, float]:
    """Shares within a few bounds, in seconds, since the buckets were `before`; and how many."""
    buckets = running.buckets(f"flagpost_{name}_latency_seconds")
    since = {le: count - before[le] for le, count in buckets.items()}
    within = {le: round(since[le] / since["+Inf"], 3) for le in ("0.2", "0.4", "1.0")}
    return within | {"count": since["+Inf"]}


def test_endurance_of_memory_at_full_load(bench, clips):
    """Memory of the worker and its children over half an hour of a topic that is never empty."""
    running = worker(bench)
    wait_until(lambda: running.answers("/readyz"), 60)
    samples: list[float] = []
    sent, started_s = 0, time.monotonic()
    while time.monotonic() < started_s + MINUTES * 60:
        if sent - running.numbers().get("flagpost_messages_total", 0) < BEHIND:
            fill(bench, clips, sent, TOPPED_UP, inline=False)
            sent += TOPPED_UP
        samples.append(memory_mib(running))
        time.sleep(1)
    seconds = time.monotonic() - started_s
    wait_until(lambda: running.has_settled(sent), 300)
    fifth = max(1, len(samples) // 5)
    report(
        "memory",
        minutes=MINUTES,
        messages=sent,
        segments_per_s=round(sent / seconds, 1),
        mib_by_fifth=[
            round(statistics.median(samples[part * fifth : (part + 1) * fifth]))
            for part in range(5)
        ],
        mib_at_most=round(max(samples)),
    )


def test_endurance_of_a_redis_that_is_away_for_a_minute(bench, clips):
    """Memory while nothing can be stored, and whether every message was settled afterwards."""
    drained = measured_drain(bench, clips, FILLED)
    running = worker(bench, FLAGPOST_KAFKA_INSTANCE_ID="bench")
    wait_until(lambda: running.answers("/readyz"), 60)
    before_mib = most_mib = 0.0
    with streaming(bench, clips, int(0.5 * drained * SEGMENT_S), seconds=100) as messages:
        time.sleep(15)
        before_mib = memory_mib(running)
        bench.redis_server.kill()
        end_s = time.monotonic() + OUTAGE_S
        while time.monotonic() < end_s:
            time.sleep(1)
            most_mib = max(most_mib, memory_mib(running))
        bench.redis_server.start()
    wait_until(lambda: running.has_settled(messages), 120)
    numbers = running.numbers()
    report(
        "outage",
        messages=messages,
        scored=int(numbers["scored"]),
        lost=messages - int(numbers["flagpost_messages_total"]),
        mib_before=round(before_mib),
        mib_at_most=round(most_mib),
    )
    assert numbers["flagpost_messages_total"] == messages
