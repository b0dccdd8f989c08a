"""Segments like a platform's: 2 s of 720p H.264 in MPEG-TS, one keyframe, about 650 kB."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from engines.bundle import bundle_named
from engines.engine import Frames

FPS, SECONDS, SIZE, BIT_RATE = 30, 2, (1280, 720), 2_600_000


def segments(count: int, directory: Path) -> list[bytes]:
    """Encodes `count` segments once and keeps them in `directory`.

    Film of the machine's own where FLAGPOST_BENCH_VIDEO names a file, else moving texture.
    """
    directory.mkdir(parents=True, exist_ok=True)
    frames = _frames()
    for number in range(count):
        target = directory / f"{number:03}.ts"
        batch = list(islice(frames, FPS * SECONDS))
        if not target.exists():
            target.write_bytes(_encoded(batch))
    return [(directory / f"{number:03}.ts").read_bytes() for number in range(count)]


def keyframe_of(segment: bytes) -> bytes:
    """The access unit of a segment's keyframe."""
    with av.open(io.BytesIO(segment), "r", format="mpegts") as container:
        return next(bytes(packet) for packet in container.demux(video=0) if packet.is_keyframe)


def violent_pictures(bundle_name: str) -> list[Frames]:
    """The golden frames that a bundle takes for violent, uint8 [height, width, 3] RGB."""
    bundle = bundle_named(bundle_name)
    return [
        bundle.golden_frame(golden) for golden in bundle.card.golden if golden.logits["fp32"] > 0
    ]


def still_segments(pictures: list[Frames]) -> list[bytes]:
    """A segment for each picture, which stands still."""
    return [
        _encoded([av.VideoFrame.from_ndarray(picture, format="rgb24")] * (FPS * SECONDS))
        for picture in pictures
    ]


def _encoded(frames: list[av.VideoFrame]) -> bytes:
    target = io.BytesIO()
    with av.open(target, "w", format="mpegts") as container:
        stream: Any = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = SIZE
        stream.pix_fmt, stream.bit_rate = "yuv420p", BIT_RATE
        stream.codec_context.thread_type = "FRAME"
        gop = str(FPS * SECONDS)
        stream.options = {"preset": "veryfast", "g": gop, "keyint_min": gop, "sc_threshold": "0"}
        for number, frame in enumerate(frames):
            picture = frame.reformat(*SIZE, "yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return target.getvalue()


def _frames() -> Iterator[av.VideoFrame]:
    video = os.environ.get("FLAGPOST_BENCH_VIDEO")
    while video:
        with av.open(video, "r") as container:
            yield from container.decode(video=0)
    yield from _texture()


def _texture() -> Iterator[av.VideoFrame]:
    width, height = SIZE
    chance = np.random.default_rng(0)
    base = chance.integers(0, 255, (height // 8, width // 8, 3), dtype=np.uint8)
    base = base.repeat(8, 0).repeat(8, 1)
    for number in range(1 << 30):
        grain = chance.integers(0, 10, (height, width, 1), dtype=np.uint8)
        moved = np.roll(base, number * 6, 1)
        yield av.VideoFrame.from_ndarray(moved // 2 + moved // 4 + grain, format="rgb24")
