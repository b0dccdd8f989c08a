"""Real encoded media for tests: plain colours, so that the tiny bundle's scores are known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from PIL import Image

RED, CALM = (230, 20, 20), (90, 110, 120)
Colour = tuple[int, int, int]


def segment(
    colours: Sequence[Colour] = (CALM,) * 10,
    *,
    size: tuple[int, int] = (320, 180),
    fps: int = 10,
    gop: int = 5,
    format_name: str = "mpegts",
    codec: str = "libx264",
    sound: bool = False,
) -> bytes:
    """One segment, a frame per colour, a keyframe every `gop` frames; silence where asked."""
    target = io.BytesIO()
    flags = "frag_keyframe+empty_moov+default_base_moof"
    options = {"movflags": flags} if format_name == "mp4" else {}
    with av.open(target, "w", format=format_name, options=options) as container:
        stream: Any = container.add_stream(codec, rate=fps)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        # PyAV's default makes x264 cut frames into slices, which real streams do not.
        stream.codec_context.thread_type = "FRAME"
        stream.options = {"preset": "ultrafast", "g": str(gop), "sc_threshold": "0"}
        silent = container.add_stream("aac", rate=44100) if sound else None
        for number, colour in enumerate(colours):
            container.mux(stream.encode(_frame(colour, size, number, fps)))
        container.mux(stream.encode(None))
        if silent is not None:
            _mux_silence(container, silent)
    return target.getvalue()


def _frame(colour: Colour, size: tuple[int, int], number: int, fps: int) -> av.VideoFrame:
    pixels = np.full((size[1], size[0], 3), colour, np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = number, Fraction(1, fps)
    return frame


def audio_only() -> bytes:
    """An MPEG-TS with a second of silence and no video."""
    target = io.BytesIO()
    with av.open(target, "w", format="mpegts") as container:
        _mux_silence(container, container.add_stream("aac", rate=44100))
    return target.getvalue()


def _mux_silence(container: Any, stream: Any) -> None:
    for number in range(20):
        silence = np.zeros((2, 1024), np.float32)
        frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = 44100, number * 1024
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def without_keyframe() -> bytes:
    """A segment that begins in the middle of a group of pictures."""
    source = io.BytesIO(segment((CALM,) * 20, gop=20))
    target = io.BytesIO()
    with av.open(source, "r") as given, av.open(target, "w", format="mpegts") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.pts is not None and not packet.is_keyframe:
                packet.stream = stream
                container.mux(packet)
    return target.getvalue()


def access_unit(colour: Colour = RED) -> bytes:
    """The Annex B access unit of a keyframe, parameter sets in band."""
    with av.open(io.BytesIO(segment((colour,) * 3)), "r", format="mpegts") as container:
        return next(bytes(p) for p in container.demux(video=0) if p.is_keyframe)


def picture(format_name: str, colour: Colour = RED, size: tuple[int, int] = (64, 48)) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, format_name)
    return target.getvalue()


def picture_bomb() -> bytes:
    """A small PNG that says it is 20,000 pixels wide and high."""
    target = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(target, "PNG")
    return target.getvalue()
