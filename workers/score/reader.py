"""Decodes and scores one file in a process of its own: hostile video may crash it, never the run.

`python -m workers.score.reader CONFIG` prints one JSON object a line: first the file's length,
then each look, and an error if there is one.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.container import InputContainer
from PIL import Image, UnidentifiedImageError

from engines.bundle import bundle_named
from engines.engine import Engine
from engines.errors import EngineError
from engines.opening import open_engine
from engines.preprocess import FrameScaler
from workers.errors import DeadLettered
from workers.moderation.child import confine, probability
from workers.moderation.decode import LIBAV_ERRORS, check_pixels, guard_codec, video_stream

PROBED_PACKETS: Final = 600
MEMORY_BYTES: Final = 8 << 30
MAX_PIXELS: Final = 8192 * 4320
_PICTURES: Final = ("JPEG", "PNG", "WEBP")


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """One file and how it is scored."""

    file: str
    bundle: str
    backend: str
    precision: str
    looks_per_second: float


def main(argument: str) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    config = ReaderConfig(**json.loads(argument))
    try:
        bundle = bundle_named(config.bundle)
        engine = open_engine(bundle, config.backend, config.precision)
        # Opened before the limits: afterwards this process may read, and write to its pipe only.
        with open(config.file, "rb"):
            confine(MEMORY_BYTES)
        for line in _lines(config, engine):
            print(json.dumps(line), flush=True)  # noqa: T201  # the pipe to the parent
    except (DeadLettered, EngineError, UnidentifiedImageError, *LIBAV_ERRORS) as error:
        print(json.dumps({"error": _sentence(config.file, error)}), flush=True)  # noqa: T201
        return 1
    return 0


def _sentence(file: str, error: Exception) -> str:
    if isinstance(error, DeadLettered | EngineError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{Path(file).name}: {error.strerror}"
    return f"{Path(file).name}: no video or picture that can be decoded ({type(error).__name__})"


def _lines(config: ReaderConfig, engine: Engine) -> Iterator[dict[str, Any]]:
    scaler = FrameScaler(engine.spec.width, engine.spec.height)
    picture = _picture(config.file)
    if picture is not None:
        yield {"duration_s": 0.0}
        yield {"at_s": 0.0, "score": _score(engine, scaler, picture)}
        return
    with av.open(config.file, options={"protocol_whitelist": "file"}) as container:
        yield {"duration_s": (container.duration or 0) / av.time_base}
        for at_s, image in _frames(container, 1 / config.looks_per_second):
            yield {"at_s": at_s, "score": _score(engine, scaler, image)}


def _picture(file: str) -> av.VideoFrame | None:
    try:
        with Image.open(file, formats=_PICTURES) as found:
            check_pixels(found.width, found.height, MAX_PIXELS)
            return av.VideoFrame.from_ndarray(np.asarray(found.convert("RGB")), format="rgb24")
    except UnidentifiedImageError:
        return None


def _frames(container: InputContainer, interval_s: float) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames at the wanted interval, in seconds from the first; keyframes only where they do."""
    stream = video_stream(container)
    guard_codec(stream.codec_context, MAX_PIXELS)
    if _keyframes_suffice(container, interval_s):
        stream.codec_context.skip_frame = "NONKEY"
    container.seek(0)
    start_s, due_s, found = None, 0.0, False
    for frame in container.decode(stream):
        if frame.time is None:
            continue
        start_s = frame.time if start_s is None else start_s
        at_s = frame.time - start_s
        if at_s + 1e-6 >= due_s:
            due_s = max(due_s + interval_s, at_s + 0.5 * interval_s)
            found = True
            yield at_s, frame
    if not found:
        raise DeadLettered("undecodable", "the video has no frame that can be decoded")


def _keyframes_suffice(container: InputContainer, interval_s: float) -> bool:
    """Whether keyframes come at least as often as looks are wanted, as far as a probe tells."""
    times: list[float] = []
    for number, packet in enumerate(container.demux(video=0)):
        if packet.pts is not None and packet.is_keyframe and packet.time_base:
            times.append(float(packet.pts * packet.time_base))
        if number >= PROBED_PACKETS:
            break
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return len(gaps) >= 2 and max(gaps) <= interval_s * 1.1


def _score(engine: Engine, scaler: FrameScaler, image: av.VideoFrame) -> float:
    slot = engine.slot()
    scaler.rgb(image, slot.frames[0])
    engine.submit(slot, 1)
    return probability(float(engine.collect(slot)[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
