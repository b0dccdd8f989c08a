"""Throughput and latency of a real worker on real brokers, against the bare loop of the same run.

`make bench`, or one of them: `make bench ARGS='-k drain'`. Each prints one JSON line last. Run on a
quiet machine; load and machine are in the line. FLAGPOST_BENCH_VIDEO names film for the clips.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from operator import truediv
from pathlib import Path

import pytest

from tests.benchmarks.bare import bare_rate
from tests.benchmarks.live import SEGMENT_S
from tests.benchmarks.rig import (
    BACKEND,
    BUNDLE,
    CLIENT,
    PRECISION,
    STREAMS,
    cpu_s,
    drain_rate,
    fill,
    measured_drain,
    report,
    worker,
)
from tests.scenarios.bench_of_streams import Bench, RunningWorker
from tests.servers import wait_until

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

DRAINED, ROUNDS = 2000, 3
BARE_S = 8.0
WARM_UP_S = 10.0
WARM_UP_MESSAGES = 2000


@pytest.mark.parametrize("inline", [False, True], ids=["segments", "keyframes"])
def test_drain_of_a_filled_topic(bench, clips, inline):
    """Segments a second from a filled topic, and the ratio to the bare loop of the same minute."""
    rates, ratios, bares, usuals = [], [], [], []
    running: RunningWorker | None = None
    broker_s = 0.0
    for number in range(ROUNDS):
        bares.append(bare_rate(clips, BARE_S, BUNDLE, BACKEND, PRECISION))
        usuals.append(bare_rate(clips, BARE_S, BUNDLE, BACKEND, PRECISION, "usual"))
        if running is not None:
            running.kill()
        fill(bench, clips, number * DRAINED, DRAINED, inline)
        before_s = sum(map(cpu_s, bench.broker_pids.values()))
        running = worker(bench, FLAGPOST_KAFKA_INSTANCE_ID="bench")
        rates.append(drain_rate(running, DRAINED))
        broker_s += sum(map(cpu_s, bench.broker_pids.values())) - before_s
        ratios.append(rates[-1] / bares[-1])
    ratio, per_segment_s = statistics.median(ratios), broker_s / (ROUNDS * DRAINED)
    taken = per_segment_s * statistics.median(rates) / len(os.sched_getaffinity(0))
    report(
        "drain",
        media="keyframe inline, segment by reference" if inline else "720p segments of 2 s",
        segment_bytes=round(statistics.mean(p.stat().st_size for p in clips.glob("*.ts"))),
        segments_per_s=round(statistics.median(rates), 1),
        bare_per_s=round(statistics.median(bares), 1),
        ratio_to_bare=round(ratio, 3),
        usual_loop_per_s=round(statistics.median(usuals), 1),
        times_the_usual_loop=round(statistics.median(map(truediv, rates, usuals)), 2),
        # Of the time that the brokers leave: the bare loop has the machine to itself.
        ratio_with_brokers_apart=round(ratio / (1 - taken), 3),
        broker_cpu_ms_per_segment=round(1000 * per_segment_s, 2),
        rounds=[round(rate, 1) for rate in rates],
    )


@pytest.mark.parametrize("inline", [False, True], ids=["segments", "keyframes"])
def test_live_streams_within_a_second(bench, clips, inline):
    """The most paced 720p streams whose frames are scored within 1 s of Kafka at p95."""
    usual = bare_rate(clips, BARE_S, BUNDLE, BACKEND, PRECISION, "usual")
    drained = measured_drain(bench, clips, WARM_UP_MESSAGES, inline)
    carried, tried = 0, {}
    for share in (0.7, 0.75, 0.8, 0.85, 0.9, 0.95):
        streams = round(share * drained * SEGMENT_S)
        within = share_within(bench, clips, streams, inline, seconds=20)
        tried[streams] = round(within, 3)
        if within < 0.95:
            break
        carried = streams
    report(
        "live",
        media="keyframe inline, segment by reference" if inline else "720p segments of 2 s",
        streams=carried,
        share_within_1_s=tried,
        drained_per_s=round(drained, 1),
        usual_loop_per_s=round(usual, 1),
        times_the_usual_loop=round(carried / SEGMENT_S / usual, 2),
    )


def share_within(bench: Bench, clips: Path, streams: int, inline: bool, seconds: float) -> float:
    """Share of messages scored within 1 s, after a warm-up of brokers and worker."""
    running = worker(bench, FLAGPOST_KAFKA_INSTANCE_ID="bench")
    wait_until(lambda: running.answers("/readyz"), 60)
    arguments = [
        bench.kafka.bootstrap, bench.frames_topic, str(clips), streams, WARM_UP_S + seconds,
        CLIENT, inline,
    ]  # fmt: skip
    command = [sys.executable, "-m", "tests.benchmarks.live", json.dumps(arguments)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as producer:
        time.sleep(WARM_UP_S)
        warm = running.buckets("flagpost_score_latency_seconds")
        assert producer.wait() == 0
    expected = int(streams * (WARM_UP_S + seconds) / 2)
    wait_until(lambda: running.has_settled(expected), 120)
    assert running.numbers()["scored"] >= expected, "a message that is not scored costs nothing"
    buckets = running.buckets("flagpost_score_latency_seconds")
    running.kill()
    return (buckets["1.0"] - warm["1.0"]) / (buckets["+Inf"] - warm["+Inf"])


def test_latency_with_sixteen_streams(bench, clips):
    """Kafka timestamp to score at light load: shares within 40, 60 and 100 ms."""
    running = worker(bench)
    wait_until(lambda: running.answers("/readyz"), 60)
    arguments = [bench.kafka.bootstrap, bench.frames_topic, str(clips), 16, 40, CLIENT, False]
    subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.live", json.dumps(arguments)], check=True
    )
    wait_until(lambda: running.has_settled(16 * 20), 60)
    buckets = running.buckets("flagpost_score_latency_seconds")
    shares = {le: round(buckets[le] / buckets["+Inf"], 3) for le in ("0.04", "0.06", "0.1", "1.0")}
    report("latency", streams=16, share_within_s=shares)


def test_blindness_after_the_only_worker_is_killed(bench, clips):
    """Seconds from kill -9 to the first frame scored by its restart."""
    gaps = []
    for number in range(ROUNDS):
        running = worker(bench, FLAGPOST_KAFKA_INSTANCE_ID="bench")
        fill(bench, clips, number * 2 * STREAMS, STREAMS, inline=False)
        wait_until(lambda: running.has_settled(STREAMS), 60)  # noqa: B023
        fill(bench, clips, (2 * number + 1) * STREAMS, STREAMS, inline=False)
        running.kill()
        killed_s = time.perf_counter()
        running = worker(bench, FLAGPOST_KAFKA_INSTANCE_ID="bench")
        wait_until(lambda: running.numbers().get("scored", 0) > 0, 60)  # noqa: B023
        gaps.append(time.perf_counter() - killed_s)
        wait_until(lambda: running.numbers().get("flagpost_frames_open") == 0, 60)  # noqa: B023
        running.stop()
    report("restart", blind_s=round(statistics.median(gaps), 2), rounds=[round(g, 2) for g in gaps])
