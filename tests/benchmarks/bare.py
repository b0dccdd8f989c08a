"""Loops without a pipeline, one process per core: what everything is held to.

`lean` is the best decode and engine known. `usual` is what PyAV's and ONNX Runtime's own documents
show, in fp32: its rate tells machines apart, so that figures of two machines can be compared.
`python -m tests.benchmarks.bare CONFIG` runs one core's loop and prints segments a second.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import av

from engines.bundle import Bundle, bundle_named
from engines.opening import open_engine
from engines.preprocess import FrameScaler
from schemas.frames import ContentType
from workers.heap import keep_freed_memory
from workers.moderation.decode import DecodeLimits, decode_looks

LIMITS = DecodeLimits(1920 * 1088, 5.0)


def bare_rate(
    directory: Path,
    seconds: float,
    bundle: str,
    backend: str,
    precision: str,
    loop: Literal["lean", "usual"] = "lean",
) -> float:
    """Segments a second of one process per core, together; `usual` has an engine of its own."""
    config = json.dumps([str(directory), seconds, bundle, backend, precision, loop])
    command = [sys.executable, "-m", "tests.benchmarks.bare", config]
    loops = [
        subprocess.Popen(command, stdout=subprocess.PIPE)
        for _ in range(len(os.sched_getaffinity(0)))
    ]
    return sum(float(loop.communicate()[0]) for loop in loops)


class Lean:
    """As a child of the worker does it."""

    def __init__(self, bundle: Bundle, backend: str, precision: str) -> None:
        keep_freed_memory()
        self._engine = open_engine(bundle, backend, precision)
        self._scaler = FrameScaler(self._engine.spec.width, self._engine.spec.height)

    def look(self, segment: bytes) -> None:
        decoded = decode_looks(segment, ContentType.MPEG_TS, 0.5, LIMITS)
        slot = self._engine.slot()
        self._scaler.rgb(decoded.frames[0].image, slot.frames[0])
        self._engine.submit(slot, 1)
        self._engine.collect(slot)


class Usual:
    """As a first version would do it."""

    def __init__(self, bundle: Bundle) -> None:
        self._engine = open_engine(bundle, "onnxruntime", "fp32")

    def look(self, segment: bytes) -> None:
        with av.open(io.BytesIO(segment), "r") as container:
            container.streams.video[0].codec_context.skip_frame = "NONKEY"
            frame = next(container.decode(video=0))
        slot, spec = self._engine.slot(), self._engine.spec
        slot.frames[0] = frame.to_ndarray(format="rgb24", width=spec.width, height=spec.height)
        self._engine.submit(slot, 1)
        self._engine.collect(slot)


def main(argument: str) -> None:
    directory, seconds, name, backend, precision, loop = json.loads(argument)
    clips = [path.read_bytes() for path in sorted(Path(directory).glob("*.ts"))]
    bundle = bundle_named(name)
    looker = Usual(bundle) if loop == "usual" else Lean(bundle, backend, precision)
    done = 0
    started_s = time.perf_counter()
    while time.perf_counter() < started_s + seconds:
        looker.look(clips[done % len(clips)])
        done += 1
    sys.stdout.write(f"{done / (time.perf_counter() - started_s)}\n")


if __name__ == "__main__":
    main(sys.argv[1])
