"""H.264 in MPEG-TS from rendered frames, with keyframes at fixed places."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import av
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from workers.simulate.errors import SimulationFailed

TIME_BASE: Final = Fraction(1, 90_000)


@dataclass(frozen=True, slots=True)
class FilmSettings:
    """How a take is encoded."""

    width: int
    height: int
    fps: float
    keyframe_interval_s: float
    quality: int
    """x264's CRF: 18 fine, 35 coarse; gives the bit rate."""


def film(frames: Iterable[NDArray[np.uint8]], settings: FilmSettings) -> bytes:
    """Encodes frames, [height, width, 3] uint8 RGB, as one transport stream.

    Raises:
        SimulationFailed: The encoder refused.
    """
    target = io.BytesIO()
    try:
        with av.open(target, "w", format="mpegts") as container:
            stream = container.add_stream(
                "libx264", rate=Fraction(settings.fps).limit_denominator()
            )
            _configure(stream, settings)
            keyframes = _Keyframes(settings)
            for number, picture in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = round(number / settings.fps / TIME_BASE)
                frame.time_base = TIME_BASE
                if keyframes.is_due(number):
                    frame.pict_type = PictureType.I
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
    except av.FFmpegError as error:
        raise SimulationFailed(f"x264 refused {settings}: {error}") from error
    return target.getvalue()


def _configure(stream: av.VideoStream, settings: FilmSettings) -> None:
    gop = max(1, math.ceil(settings.keyframe_interval_s * settings.fps))
    stream.width, stream.height, stream.pix_fmt = settings.width, settings.height, "yuv420p"
    stream.codec_context.time_base = TIME_BASE
    stream.codec_context.gop_size = gop
    stream.codec_context.thread_count = 1
    stream.codec_context.options = {
        "preset": "veryfast",
        "crf": str(settings.quality),
        "forced-idr": "1",
        # A scene cut must not move keyframes; live encoders avoid the delay of B-frames.
        "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:threads=1",
    }


class _Keyframes:
    """Where keyframes fall that no fixed number of frames would put there.

    With 25 frames a second, every half second is 12.5 frames: counted in frames, keyframes would
    drift away from whole seconds, and segments with them.
    """

    def __init__(self, settings: FilmSettings) -> None:
        self._settings = settings
        frames = settings.keyframe_interval_s * settings.fps
        self._are_regular = math.isclose(frames, round(frames))

    def is_due(self, number: int) -> bool:
        """A keyframe must be asked for at this frame: the first at or after its time."""
        if self._are_regular or number == 0:
            return False
        return self._interval(number) != self._interval(number - 1)

    def _interval(self, number: int) -> int:
        at_s = number / self._settings.fps + 1e-9
        return math.floor(at_s / self._settings.keyframe_interval_s)
