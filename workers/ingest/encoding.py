"""Makes H.264 of a source in a codec that is not carried, such as a webcam's MJPEG or raw pictures.

The only place in ingest that decodes. Everything else is copied as it came.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
from av.container import InputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from workers.ingest.bitstream import Codec
from workers.ingest.timeline import TICKS_PER_SECOND, SourcePacket

_TIME_BASE: Final = Fraction(1, TICKS_PER_SECOND)
_USUAL_RATE: Final = Fraction(25)
# One thread a stream: many streams share a machine. `forced-idr` lets each keyframe open a segment.
_OPTIONS: Final = {
    "preset": "veryfast",
    "tune": "zerolatency",
    "threads": "1",
    "forced-idr": "1",
    "g": "600",
}


def encoded_packets(
    container: InputContainer, stream: VideoStream, keyframe_interval_s: float
) -> Iterator[SourcePacket]:
    """Decodes a stream and encodes it as H.264, with a keyframe at each interval.

    Args:
        container: The open source.
        stream: Its video stream.
        keyframe_interval_s: Seconds between keyframes.
    """
    encoder: VideoCodecContext | None = None
    interval = round(keyframe_interval_s * TICKS_PER_SECOND)
    frame_ticks = round(TICKS_PER_SECOND / (stream.average_rate or _USUAL_RATE))
    last_pts, next_keyframe = -frame_ticks, 0
    for frame in container.decode(stream):
        pts = last_pts + frame_ticks if frame.time is None else round(frame.time * TICKS_PER_SECOND)
        pts = max(pts, last_pts + 1) if pts > last_pts - interval else pts
        size = frame.width // 2 * 2, frame.height // 2 * 2  # 4:2:0 has no odd sizes
        if encoder is None or (encoder.width, encoder.height) != size or pts <= last_pts:
            if encoder is not None:
                yield from _source_packets(encoder, None, frame_ticks)
            encoder, next_keyframe = _encoder(size), pts
        frame = frame.reformat(*size, format="yuv420p")
        frame.pts, frame.time_base = pts, _TIME_BASE
        frame.pict_type = PictureType.I if pts >= next_keyframe else PictureType.NONE
        if pts >= next_keyframe:
            next_keyframe = pts + interval
        last_pts = pts
        yield from _source_packets(encoder, frame, frame_ticks)
    if encoder is not None:
        yield from _source_packets(encoder, None, frame_ticks)


def _encoder(size: tuple[int, int]) -> VideoCodecContext:
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuv420p"
    encoder.time_base = _TIME_BASE
    encoder.options = dict(_OPTIONS)
    return encoder


def _source_packets(
    encoder: VideoCodecContext, frame: VideoFrame | None, frame_ticks: int
) -> Iterator[SourcePacket]:
    for packet in encoder.encode(frame):
        yield SourcePacket(
            bytes(packet), Codec.H264, packet.is_keyframe, packet.pts, packet.dts, frame_ticks
        )
