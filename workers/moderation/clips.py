"""Evidence from encoded media: a clip remuxed without re-encoding, and pictures as JPEG.

Runs only inside a child process, like all that touches untrusted media.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import av
from av.container import OutputContainer
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream
from PIL import Image

from schemas.frames import ContentType
from workers.errors import DeadLettered
from workers.moderation.decode import (
    LIBAV_ERRORS,
    DecodeLimits,
    decode_looks,
    guard_codec,
    open_untrusted,
    video_stream,
)

PICTURE_WIDTH: Final = 640
JPEG_QUALITY: Final = 82
_FORMATS: Final = {ContentType.MPEG_TS: "mpegts", ContentType.FRAGMENTED_MP4: "mp4"}


@dataclass(frozen=True, slots=True)
class Part:
    """One segment of the stream and its start in seconds after the first part's start."""

    data: bytes
    content_type: ContentType
    offset_s: float


@dataclass(frozen=True, slots=True)
class Remuxed:
    """Fragmented MP4 and its true bounds in seconds after the first part's start."""

    video: bytes
    starts_s: float
    ends_s: float


def remux(parts: Sequence[Part], max_pixels: int) -> Remuxed | None:
    """Copies the packets of consecutive segments into one fragmented MP4.

    Only the newest run of parts with the same codec and size is taken: a player could not follow a
    change. None where no part is a container (single keyframes, pictures).

    Raises:
        DeadLettered: The newest part cannot be read.
    """
    run = _newest_run([part for part in parts if part.content_type in _FORMATS], max_pixels)
    if not run:
        return None
    target = io.BytesIO()
    flags = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    try:
        with av.open(target, "w", format="mp4", options=flags) as output:
            ends_s = _Copier(output).copy(run)
    except LIBAV_ERRORS as error:
        raise DeadLettered("undecodable", f"clip: {type(error).__name__}: {error}"[:300]) from error
    return Remuxed(target.getvalue(), run[0].offset_s, ends_s)


def picture(image: av.VideoFrame) -> bytes:
    """A JPEG at most 640 pixels wide, without metadata."""
    width = min(image.width, PICTURE_WIDTH)
    height = max(1, round(image.height * width / image.width))
    small = image.reformat(
        width, height, "rgb24", interpolation="AREA", dst_color_range=ColorRange.JPEG, threads=1
    )
    target = io.BytesIO()
    Image.fromarray(small.to_ndarray()).save(target, "JPEG", quality=JPEG_QUALITY)
    return target.getvalue()


def pictures_at(part: Part, times_s: Sequence[float], limits: DecodeLimits) -> list[bytes]:
    """The keyframes of a part that are nearest to each time, as JPEG; it is decoded once.

    Raises:
        DeadLettered: The part cannot be decoded.
    """
    frames = decode_looks(part.data, part.content_type, 1000.0, limits).frames
    nearest = (min(frames, key=lambda frame: abs(frame.pts_s - time_s)) for time_s in times_s)
    return [picture(frame.image) for frame in nearest]


def _newest_run(parts: Sequence[Part], max_pixels: int) -> list[Part]:
    run: list[Part] = []
    wanted = None
    for part in reversed(parts):
        shape = _shape(part, max_pixels, required=not run)
        if shape is None or (wanted is not None and shape != wanted):
            break
        wanted = shape
        run.insert(0, part)
    return run


def _shape(part: Part, max_pixels: int, required: bool) -> tuple[str, int, int] | None:
    try:
        with open_untrusted(part.data, _FORMATS[part.content_type]) as container:
            codec = video_stream(container).codec_context
            guard_codec(codec, max_pixels)
            return codec.name, codec.width, codec.height
    except LIBAV_ERRORS as error:
        if required:
            raise DeadLettered("undecodable", f"clip: {error}"[:300]) from error
    except DeadLettered:
        if required:
            raise
    return None


class _Copier:
    """Moves packets of several inputs onto one output clock with growing decode times."""

    def __init__(self, output: OutputContainer) -> None:
        self._output = output
        self._stream: VideoStream | None = None
        self._last_dts_s = float("-inf")
        self._ends_s = 0.0

    def copy(self, parts: Sequence[Part]) -> float:
        """Copies all parts; returns the end of the last frame in seconds."""
        for part in parts:
            with open_untrusted(part.data, _FORMATS[part.content_type]) as container:
                source = video_stream(container)
                if self._stream is None:
                    self._stream = self._output.add_stream_from_template(source)
                self._copy_part(container.demux(source), part.offset_s - parts[0].offset_s)
        return parts[0].offset_s + self._ends_s

    def _copy_part(self, packets: object, shift_s: float) -> None:
        assert self._stream is not None
        start_s: float | None = None
        for packet in packets:  # type: ignore[attr-defined]  # PyAV types demux by stream kind
            if packet.pts is None or packet.dts is None:
                continue
            tick_s = float(packet.time_base)
            if start_s is None:
                start_s = packet.pts * tick_s
            dts_s = packet.dts * tick_s - start_s + shift_s
            if dts_s <= self._last_dts_s:
                continue  # overlaps what the part before it already showed
            self._last_dts_s = dts_s
            pts_s = packet.pts * tick_s - start_s + shift_s
            self._ends_s = max(self._ends_s, pts_s + (packet.duration or 0) * tick_s)
            packet.pts, packet.dts = round(pts_s / tick_s), round(dts_s / tick_s)
            packet.stream = self._stream
            self._output.mux(packet)
