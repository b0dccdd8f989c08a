"""What benchmarks share: the worker as it is measured, a filled topic, the line they print."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.live import message
from tests.scenarios.bench_of_streams import Bench, RunningWorker
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
