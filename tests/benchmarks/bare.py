"""The bare loop: the best decode and engine, all cores, no pipeline. What everything is held to.

`python -m tests.benchmarks.bare CONFIG` runs one core's loop and prints segments a second.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from engines.bundle import bundle_named
from engines.opening import open_engine
from engines.preprocess import FrameScaler
from schemas.frames import ContentType
from workers.moderation.decode import DecodeLimits, decode_looks

LIMITS = DecodeLimits(1920 * 1088, 5.0)


def bare_rate(directory: Path, seconds: float, bundle: str, backend: str, precision: str) -> float:
    """Segments a second of one process per core, together."""
    config = json.dumps([str(directory), seconds, bundle, backend, precision])
    command = [sys.executable, "-m", "tests.benchmarks.bare", config]
    loops = [
        subprocess.Popen(command, stdout=subprocess.PIPE)
        for _ in range(len(os.sched_getaffinity(0)))
    ]
    return sum(float(loop.communicate()[0]) for loop in loops)


def main(argument: str) -> None:
    directory, seconds, name, backend, precision = json.loads(argument)
    clips = [path.read_bytes() for path in sorted(Path(directory).glob("*.ts"))]
    bundle = bundle_named(name)
    engine = open_engine(bundle, backend, precision)
    scaler = FrameScaler(engine.spec.width, engine.spec.height)
    done = 0
    end_s = time.perf_counter() + seconds
    started_s = time.perf_counter()
    while time.perf_counter() < end_s:
        decoded = decode_looks(clips[done % len(clips)], ContentType.MPEG_TS, 0.5, LIMITS)
        slot = engine.slot()
        scaler.rgb(decoded.frames[0].image, slot.frames[0])
        engine.submit(slot, 1)
        engine.collect(slot)
        done += 1
    sys.stdout.write(f"{done / (time.perf_counter() - started_s)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
