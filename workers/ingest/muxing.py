"""Writes a segment as media: MPEG-TS for H.264 and HEVC, fragmented MP4 for AV1.

Packets go in as they came; nothing is encoded.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Final

import av
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from schemas.frames import ContentType
from workers.ingest.bitstream import Codec
from workers.ingest.segmenter import Segment
from workers.ingest.timeline import TICKS_PER_SECOND, EncodedPacket

_TIME_BASE: Final = Fraction(1, TICKS_PER_SECOND)
# Timestamps go out as they are: segments of a stream can be joined.
_TS_OPTIONS: Final = {"mpegts_copyts": "1"}
_MP4_OPTIONS: Final = {"movflags": "empty_moov+default_base_moof+frag_keyframe"}
SEGMENT_TYPES: Final = {
    Codec.H264: ContentType.MPEG_TS,
    Codec.HEVC: ContentType.MPEG_TS,
    Codec.AV1: ContentType.FRAGMENTED_MP4,
}
KEYFRAME_TYPES: Final = {
    Codec.H264: ContentType.H264,
    Codec.HEVC: ContentType.HEVC,
    Codec.AV1: ContentType.AV1,
}


def media_from_segment(segment: Segment, template: VideoStream) -> bytes:
    """The segment as a file of `SEGMENT_TYPES[segment.codec]`.

    Args:
        segment: What to write.
        template: The open source's stream; describes AV1, which MP4 needs to know beforehand.
    """
    buffer = io.BytesIO()
    is_mp4 = SEGMENT_TYPES[segment.codec] is ContentType.FRAGMENTED_MP4
    options = _MP4_OPTIONS if is_mp4 else _TS_OPTIONS
    with av.open(buffer, "w", format="mp4" if is_mp4 else "mpegts", options=options) as output:
        stream: Stream
        if is_mp4:
            stream = output.add_stream_from_template(template, opaque=True)
        else:
            stream = output.add_mux_stream(segment.codec.value)
        stream.time_base = _TIME_BASE
        for packet in segment.packets:
            output.mux_one(_packet(packet, stream))
    return buffer.getvalue()


def _packet(encoded: EncodedPacket, stream: Stream) -> Packet[Stream]:
    packet: Packet[Stream] = Packet(encoded.data)
    packet.time_base = _TIME_BASE
    packet.pts, packet.dts, packet.duration = encoded.pts, encoded.dts, encoded.duration
    packet.is_keyframe = encoded.is_keyframe
    packet.stream = stream
    return packet
