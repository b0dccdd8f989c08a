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

from tests.benchmarks.rig import CLIENT, CLIPS, report, worker
from tests.scenarios.bench_of_streams import Bench, RunningWorker
from tests.servers import wait_until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(3600)]

DRAIN_RATE = float(os.environ.get("FLAGPOST_BENCH_RATE", "155"))
"""Segments a second that the drain benchmark measured here."""
MINUTES = float(os.environ.get("FLAGPOST_BENCH_MINUTES", "30"))
SEGMENT_S = 2.0
OUTAGE_S = 60.0


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


def test_endurance_of_delays_at_seven_tenths_of_the_drain(bench, flagged_clips):
    """Shares of messages scored, and of flags in Redis, within a second of Kafka's timestamp."""
    running = worker(bench)
    wait_until(lambda: running.answers("/readyz"), 60)
    # A multiple of the clips: then a stream shows the same one again and again, and may be flagged.
    streams = int(0.7 * DRAIN_RATE * SEGMENT_S) // CLIPS * CLIPS
    with streaming(bench, flagged_clips, streams, seconds=60) as messages:
        pass
    wait_until(lambda: running.has_settled(messages), 60)
    shares = {}
    for name in ("score", "flag"):
        buckets = running.buckets(f"flagpost_{name}_latency_seconds")
        shares[name] = {le: round(buckets[le] / buckets["+Inf"], 3) for le in ("0.2", "0.4", "1.0")}
        shares[name]["count"] = buckets["+Inf"]
    report("delays", streams=streams, share_within_s=shares)


def test_endurance_of_memory_at_full_load(bench, clips):
    """Memory of the worker and its children over half an hour of as much as it can take."""
    running = worker(bench)
    wait_until(lambda: running.answers("/readyz"), 60)
    samples: list[float] = []
    # The producer and its part of the broker take the rest of the machine.
    streams = int(0.8 * DRAIN_RATE * SEGMENT_S)
    with streaming(bench, clips, streams, seconds=MINUTES * 60) as messages:
        end_s = time.monotonic() + MINUTES * 60
        while time.monotonic() < end_s:
            time.sleep(5)
            samples.append(memory_mib(running))
    wait_until(lambda: running.has_settled(messages), 300)
    fifth = max(1, len(samples) // 5)
    report(
        "memory",
        minutes=MINUTES,
        messages=messages,
        mib_in_the_second_fifth=round(statistics.median(samples[fifth : 2 * fifth])),
        mib_in_the_last_fifth=round(statistics.median(samples[-fifth:])),
        mib_at_most=round(max(samples)),
    )


def test_endurance_of_a_redis_that_is_away_for_a_minute(bench, clips):
    """Memory while nothing can be stored, and whether every message was settled afterwards."""
    running = worker(bench)
    wait_until(lambda: running.answers("/readyz"), 60)
    before_mib = most_mib = 0.0
    with streaming(bench, clips, int(0.5 * DRAIN_RATE * SEGMENT_S), seconds=100) as messages:
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
