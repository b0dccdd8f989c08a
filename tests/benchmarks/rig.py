"""What benchmarks share: the worker as it is measured, a filled topic, the line they print."""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.live import message
from tests.scenarios.bench_of_streams import Bench, RunningWorker
from tests.servers import wait_until
from workers.frames_topic import FramePublisher

BUNDLE = os.environ.get("FLAGPOST_ENGINE_BUNDLE", "gameplay-s0")
BACKEND = os.environ.get("FLAGPOST_ENGINE_BACKEND", "openvino")
PRECISION = os.environ.get("FLAGPOST_ENGINE_PRECISION", "int8")
CLIENT = os.environ.get("FLAGPOST_KAFKA_CLIENT", "librdkafka")
CLIPS, STREAMS = 24, 64


def worker(bench: Bench, **settings: str) -> RunningWorker:
    return bench.worker(
        FLAGPOST_KAFKA_CLIENT=CLIENT,
        FLAGPOST_ENGINE_BACKEND=BACKEND,
        FLAGPOST_ENGINE_PRECISION=PRECISION,
        FLAGPOST_WORKER_LOOKS_PER_SECOND="0.5",
        FLAGPOST_WORKER_DATAREF_PREFIXES=f"{bench.directory.parent}/",
        **settings,
    )


def fill(bench: Bench, clips: Path, first: int, count: int, inline: bool) -> None:
    media = [path.read_bytes() for path in sorted(clips.glob("*.h264" if inline else "*.ts"))]
    publisher = FramePublisher(bench.kafka, bench.frames_topic)
    for number in range(first, first + count):
        publisher.publish(message(number, STREAMS, media, inline, str(clips)))
    publisher.flush()
    publisher.close()


def drain_rate(running: RunningWorker, count: int) -> float:
    """Segments scored and stored a second, between the first and the last tenth."""
    marks: dict[float, tuple[float, float]] = {}

    def drained() -> bool:
        now_s, scored = time.perf_counter(), running.numbers().get("scored", 0)
        for share in (0.1, 0.9):
            if scored >= share * count:
                marks.setdefault(share, (now_s, scored))
        return scored >= count

    # Each look at the numbers costs the worker 2 ms: seldom enough not to be in the result.
    wait_until(drained, 300, every_s=0.25)
    (first_s, first), (last_s, last) = marks[0.1], marks[0.9]
    return (last - first) / (last_s - first_s)


def measured_drain(bench: Bench, clips: Path, count: int, inline: bool = False) -> float:
    """Segments a second that a worker drains here and now: what shares of load are shares of."""
    fill(bench, clips, 0, count, inline)
    running = worker(bench, FLAGPOST_KAFKA_INSTANCE_ID="bench")
    rate = drain_rate(running, count)
    running.stop()
    return rate


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
    }


def report(name: str, **figures: Any) -> None:
    engine = {"bundle": BUNDLE, "backend": BACKEND, "precision": PRECISION, "client": CLIENT}
    sys.stdout.write(
        "\n" + json.dumps({"benchmark": name, **figures, **engine, **machine()}) + "\n"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
