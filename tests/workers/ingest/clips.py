"""Small clips for the tests: a moving noise picture, one keyframe a second, two B-frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 30
_QUIET = {"libx265": {"preset": "ultrafast", "x265-params": "log-level=none:bframes=0"}}


def write_clip(
    path: Path,
    seconds: float = 4.0,
    *,
    size: tuple[int, int] = (160, 96),
    gop: int = RATE,
    codec: str = "libx264",
    bframes: int = 2,
    first_frame: int = 0,
    audio: bool = False,
    format: str | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a clip; `first_frame` shifts its timestamps, `gop` is in frames."""
    width, height = size
    noise = np.random.default_rng(7).integers(0, 255, (height, 2 * width + 64, 3), dtype=np.uint8)
    with av.open(str(path), "w", format=format) as output:
        stream = output.add_stream(codec, rate=RATE)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = width, height
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.codec_context.thread_type = "FRAME"
        stream.codec_context.thread_count = 1
        if codec != "mjpeg":
            usual = {"preset": "ultrafast", "bf": str(bframes), "sc_threshold": "0"}
            chosen = _QUIET.get(codec, usual) | (options or {})
            stream.options = {"g": str(gop), "keyint_min": str(gop), **chosen}
        sound = output.add_stream("aac", rate=48000) if audio else None
        for number in range(round(seconds * RATE)):
            shift = number % width
            picture = np.ascontiguousarray(noise[:, shift : shift + width])
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = first_frame + number, Fraction(1, RATE)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp")
            silence.sample_rate = 48000
            for number in range(round(seconds * 48000 / 1024)):
                silence.pts = number * 1024
                output.mux(sound.encode(silence))
            output.mux(sound.encode(None))
    return path


def write_audio(path: Path, faststart: bool = False) -> Path:
    options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", options=options) as output:
        sound = output.add_stream("aac", rate=48000)
        silence = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp")
        silence.sample_rate = 48000
        for number in range(20):
            silence.pts = number * 1024
            output.mux(sound.encode(silence))
        output.mux(sound.encode(None))
    return path


def picture_units(access_unit: bytes) -> list[bytes]:
    """The coded pictures of an H.264 access unit, without delimiters and parameter sets."""
    units = [unit.rstrip(b"\x00") for unit in access_unit.split(b"\x00\x00\x01")]
    return [unit for unit in units if unit and 1 <= unit[0] & 31 <= 5]
