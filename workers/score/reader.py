"""Decodes and scores one file in a process of its own: hostile video may crash it, never the run.

`python -m workers.score.reader CONFIG` prints one JSON object a line: first the file's length,
then each look, and an error if there is one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

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
from workers.moderation.decode import (
    CODECS,
    LIBAV_ERRORS,
    check_pixels,
    guard_codec,
    video_stream,
)

MEMORY_BYTES: Final = 8 << 30
MAX_PIXELS: Final = 8192 * 4320
STALL_S: Final = 60
"""Longest wait for one picture; then the process ends itself."""
FILE_CODECS: Final = CODECS | {"mpeg4", "msmpeg4v3", "h263", "mpeg1video", "vp8", "libvpx-vp9"}
"""Films on disk come in more codecs than live streams."""
_PICTURES: Final = ("JPEG", "PNG", "WEBP")
_ON_TIME: Final = 1.1
"""Keyframes a tenth later than looks are wanted will do: encoders jitter."""
_UNREADABLE: Final = (
    UnidentifiedImageError,
    Image.DecompressionBombError,
    SyntaxError,  # Pillow, of a broken PNG
    *LIBAV_ERRORS,
)


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
        confine(MEMORY_BYTES)
        for line in _lines(config, engine):
            # A decoder may hang in C, where only the signal's default action ends it.
            signal.alarm(STALL_S)
            if line:
                print(json.dumps(line), flush=True)  # noqa: T201  # the pipe to the parent
    except (DeadLettered, EngineError, *_UNREADABLE) as error:
        print(json.dumps({"error": _sentence(config.file, error)}), flush=True)  # noqa: T201
        return 1
    return 0


def _sentence(file: str, error: Exception) -> str:
    name = Path(file).name
    if isinstance(error, DeadLettered | EngineError):
        return str(error)
    if isinstance(error, Image.DecompressionBombError):
        return f"{name}: {error}"
    if isinstance(error, OSError) and not isinstance(error, av.FFmpegError) and error.strerror:
        return f"{name}: {error.strerror}"
    return f"{name}: no video or picture that can be decoded ({type(error).__name__})"


def _lines(config: ReaderConfig, engine: Engine) -> Iterator[dict[str, Any]]:
    scaler = FrameScaler(engine.spec.width, engine.spec.height)
    with open(config.file, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            raise DeadLettered("empty", f"{Path(config.file).name}: the file is empty")
        picture = _picture(file)
        if picture is not None:
            yield {"duration_s": 0.0}
            yield {"at_s": 0.0, "score": _score(engine, scaler, picture)}
            return
        with _opened(file) as container:
            yield {"duration_s": (container.duration or 0) / av.time_base}
        for at_s, image in _looks(file, 1 / config.looks_per_second):
            yield {"at_s": at_s, "score": _score(engine, scaler, image)} if image else {}


def _picture(file: BinaryIO) -> av.VideoFrame | None:
    try:
        with Image.open(file, formats=_PICTURES) as found:
            check_pixels(found.width, found.height, MAX_PIXELS)
            return av.VideoFrame.from_ndarray(np.asarray(found.convert("RGB")), format="rgb24")
    except UnidentifiedImageError:
        return None


def _opened(file: BinaryIO) -> InputContainer:
    """Opens a container through our own file alone: a playlist in it can name no other."""
    file.seek(0)
    return av.open(file, "r", options={"protocol_whitelist": ""})


def _looks(file: BinaryIO, interval_s: float) -> Iterator[tuple[float, av.VideoFrame | None]]:
    """Every decoded frame's seconds from the first, and the frame itself where a look is due."""
    keyframes_suffice = _keyframes_suffice(file, interval_s)
    with _opened(file) as container:
        stream = video_stream(container)
        guard_codec(stream.codec_context, MAX_PIXELS, FILE_CODECS)
        if keyframes_suffice:
            stream.codec_context.skip_frame = "NONKEY"
        frame_s = 1 / float(stream.average_rate or 25)
        start_s, due_s = None, 0.0
        for number, frame in enumerate(container.decode(stream)):
            # Raw streams carry no times: then the frame rate is the clock.
            time_s = number * frame_s if frame.time is None else frame.time
            start_s = time_s if start_s is None else start_s
            at_s = time_s - start_s
            is_due = at_s + 1e-6 >= due_s
            if is_due:
                due_s = max(due_s + interval_s, at_s + 0.5 * interval_s)
            yield at_s, frame if is_due else None
    if start_s is None:
        raise DeadLettered("undecodable", "the video has no frame that can be decoded")


def _keyframes_suffice(file: BinaryIO, interval_s: float) -> bool:
    """Whether keyframes come at least as often as looks are wanted, in the whole file.

    Reads no further than the first gap that is too long.
    """
    last_s, seen = None, 0
    with _opened(file) as container:
        for packet in container.demux(video_stream(container)):
            if packet.pts is None or packet.time_base is None:
                continue
            at_s = float(packet.pts * packet.time_base)
            if last_s is not None and at_s - last_s > interval_s * _ON_TIME:
                return False
            if packet.is_keyframe:
                last_s, seen = at_s, seen + 1
    return seen > 1


def _score(engine: Engine, scaler: FrameScaler, image: av.VideoFrame) -> float:
    slot = engine.slot()
    scaler.rgb(image, slot.frames[0])
    engine.submit(slot, 1)
    return probability(float(engine.collect(slot)[0]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
