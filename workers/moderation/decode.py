"""Hardened decoding of one untrusted piece of media: keyframes out, or a reason why not.

Runs only inside a child process: libav may crash on hostile bytes. Only keyframes are decoded;
that is the contract with producers, and the cheapest look there is.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream
from PIL import Image

from schemas.frames import ContentType
from workers.errors import DeadLettered
from workers.moderation.transport_stream import (
    KeyframeUnit,
    is_transport_stream,
    keyframe_units,
    random_access_points,
    video_packets,
)

CODECS: Final = frozenset({"h264", "hevc", "av1", "libdav1d", "vp9", "mpeg2video", "mjpeg"})
LIBAV_ERRORS: Final = (
    av.FFmpegError, ValueError, IndexError, AttributeError, MemoryError, OSError, EOFError,
)  # fmt: skip
"""Everything that 2,600 mutated inputs made PyAV raise."""
_CONTAINERS: Final = {ContentType.MPEG_TS: "mpegts", ContentType.FRAGMENTED_MP4: "mp4"}
_UNITS: Final = {
    ContentType.H264: "h264",
    ContentType.HEVC: "hevc",
    ContentType.AV1: "libdav1d",
}
_PICTURES: Final = {
    ContentType.JPEG: "JPEG",
    ContentType.PNG: "PNG",
    ContentType.WEBP: "WEBP",
}
_INTERVAL_TOLERANCE: Final = 0.9
"""A keyframe at 90 % of the sampling interval is on time: encoders jitter."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """What one piece of media may cost.

    Attributes:
        max_pixels: Width times height.
        time_limit_s: Wall clock for the piece.
        max_looks: Frames taken from it.
    """

    max_pixels: int
    time_limit_s: float
    max_looks: int = 64


@dataclass(frozen=True, slots=True)
class DecodedFrame:
    """A keyframe: seconds after the first frame of the media, picture, whether damaged."""

    pts_s: float
    image: av.VideoFrame
    corrupt: bool


@dataclass(slots=True)
class Decoded:
    """What decoding found.

    Attributes:
        codec: Name of the decoder.
        width: Pixels of the first frame.
        height: Pixels of the first frame.
        keyframes: Keyframes met, taken or thinned.
    """

    frames: list[DecodedFrame]
    codec: str
    width: int
    height: int
    keyframes: int


def decode_looks(
    data: memoryview | bytes,
    content_type: ContentType,
    looks_per_second: float,
    limits: DecodeLimits,
) -> Decoded:
    """Decodes the keyframes of one piece of media, thinned to a sampling rate.

    Media with fewer keyframes than wanted yields those it has; the first is always taken.

    Raises:
        DeadLettered: The media cannot be used; the reason is one stable word.
    """
    if not data:
        raise DeadLettered("empty", "the message has no media")
    try:
        if content_type is ContentType.MPEG_TS and is_transport_stream(data):
            decoded = _from_keyframe_units(data, 1 / looks_per_second, limits)
            if decoded is not None:
                return decoded
        data = bytes(data)
        if content_type in _CONTAINERS:
            return _from_container(data, content_type, looks_per_second, limits)
        if content_type in _UNITS:
            return _from_access_unit(data, content_type, limits)
        return _from_picture(data, content_type, limits)
    except LIBAV_ERRORS as error:
        raise DeadLettered("undecodable", _undecodable_text(data, content_type, error)) from error


def _undecodable_text(data: memoryview | bytes, content_type: ContentType, error: Exception) -> str:
    """FFmpeg's words without its numbers and its name for our memory."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = f"{len(data)} bytes that no decoder of {content_type.value} can read: they are damaged"
    return f"{text}, cut off or something else ({type(error).__name__}: {words})"[:300]


def _from_container(
    data: bytes, content_type: ContentType, looks_per_second: float, limits: DecodeLimits
) -> Decoded:
    if not _looks_like(data, content_type):
        raise DeadLettered(
            "content-type-mismatch",
            f"content-type says {content_type.value}, the media begins with {data[:8].hex()}",
        )
    with open_untrusted(data, _CONTAINERS[content_type]) as container:
        stream = video_stream(container)
        codec = stream.codec_context
        guard_codec(codec, limits.max_pixels)
        codec.skip_frame = "NONKEY"
        # Known beforehand, reading can stop at the last keyframe: a third of the time at 720p.
        expected = random_access_points(data) if content_type is ContentType.MPEG_TS else 0
        return _looks(container, stream, 1 / looks_per_second, expected, limits)


def _from_keyframe_units(
    data: memoryview | bytes, interval_s: float, limits: DecodeLimits
) -> Decoded | None:
    """Keyframes cut out by hand; None leaves the media, and any complaint of it, to the demuxer."""
    video = video_packets(data)
    if video is None:
        return None
    units = keyframe_units(video, interval_s * _INTERVAL_TOLERANCE, limits.max_looks)
    if not units:
        return None
    try:
        images = _images_of(units, video.codec, limits)
    except LIBAV_ERRORS:
        return None
    if len(images) != len(units):
        return None
    frames = [
        DecodedFrame(unit.pts_s, image, image.is_corrupt)
        for unit, image in zip(units, images, strict=True)
    ]
    first = images[0]
    check_pixels(first.width, first.height, limits.max_pixels)
    return Decoded(frames, video.codec, first.width, first.height, len(video.keyframes))


def _images_of(
    units: tuple[KeyframeUnit, ...], name: str, limits: DecodeLimits
) -> list[av.VideoFrame]:
    deadline_s = time.monotonic() + limits.time_limit_s
    codec = _decoder(name, limits)
    images: list[av.VideoFrame] = []
    for unit in units:
        if time.monotonic() > deadline_s:
            raise DeadLettered("time-limit", f"more than {limits.time_limit_s} s")
        images += codec.decode(Packet(unit.data))
    return images + codec.decode(None)


def _decoder(name: str, limits: DecodeLimits) -> VideoCodecContext:
    codec = av.CodecContext.create(name, "r")
    assert isinstance(codec, VideoCodecContext)
    guard_codec(codec, limits.max_pixels)
    return codec


def open_untrusted(data: bytes, format_name: str) -> InputContainer:
    """Opens media in a fixed format, with no protocol that could reach a file or an address.

    The probe may not decode (`skip_frame`): it would decode the first keyframe for nothing.
    """
    return av.open(  # type: ignore[call-overload,no-any-return]  # the stub has list[str] here
        io.BytesIO(data),
        "r",
        format=format_name,
        options={"protocol_whitelist": "", "max_streams": "8"},
        stream_options=[{"skip_frame": "all"}] * 8,
    )


def video_stream(container: InputContainer) -> VideoStream:
    """The first video stream that has a decoder.

    Raises:
        DeadLettered: There is none.
    """
    for stream in container.streams.video:
        if getattr(stream, "codec_context", None) is not None:
            return stream
    if container.streams.audio:
        raise DeadLettered("audio-only", "the media has sound and no video; send video")
    raise DeadLettered("no-video", "the media has no video stream")


def guard_codec(
    codec: VideoCodecContext, max_pixels: int, allowed: frozenset[str] = CODECS
) -> None:
    """Sets the limits of a decoder before its first packet."""
    if codec.name not in allowed:
        names = ", ".join(sorted(allowed))
        raise DeadLettered("codec-not-allowed", f"got {codec.name}, expected one of {names}")
    check_pixels(codec.width, codec.height, max_pixels)
    # Guards a size change in mid-stream; as an option of the container it does not.
    codec.options = {"max_pixels": str(max_pixels)}
    codec.thread_type = "NONE"
    codec.thread_count = 1


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise DeadLettered(
            "too-many-pixels",
            f"got {width}x{height}, expected at most {max_pixels} pixels "
            "(FLAGPOST_WORKER_MAX_PIXELS)",
        )


def _looks(
    container: InputContainer,
    stream: VideoStream,
    interval_s: float,
    expected: int,
    limits: DecodeLimits,
) -> Decoded:
    codec = stream.codec_context
    sampler = _Sampler(stream, interval_s, expected, limits)
    frames: list[DecodedFrame] = []
    for packet in sampler.due(container):
        frames += [sampler.look(frame) for frame in codec.decode(packet)]
    frames += [sampler.look(frame) for frame in codec.decode(None)]
    if not frames:
        reason = "undecodable" if sampler.keyframes else "no-keyframe"
        raise DeadLettered(
            reason,
            f"{codec.name}, {sampler.packets} packets, {sampler.keyframes} keyframes: no picture; "
            "begin each segment with a keyframe",
        )
    first = frames[0].image
    check_pixels(first.width, first.height, limits.max_pixels)
    return Decoded(frames, codec.name, first.width, first.height, sampler.keyframes)


class _Sampler:
    """Chooses the packets to decode and puts decoded frames on the media's clock."""

    def __init__(
        self, stream: VideoStream, interval_s: float, expected: int, limits: DecodeLimits
    ) -> None:
        self._stream = stream
        self._tick_s = float(stream.time_base or 0)
        self._interval_s = interval_s * _INTERVAL_TOLERANCE
        self._expected = expected
        self._limits = limits
        self._start: int | None = None
        self._taken = 0
        self.keyframes = 0
        self.packets = 0

    def due(self, container: InputContainer) -> Iterator[Packet[VideoStream]]:
        """Keyframe packets that a look is due for."""
        deadline_s = time.monotonic() + self._limits.time_limit_s
        next_s = float("-inf")
        for packet in container.demux(self._stream):
            if packet.pts is None:
                continue
            self.packets += 1
            if self._start is None:
                self._start = packet.pts
            if time.monotonic() > deadline_s:
                raise DeadLettered("time-limit", f"more than {self._limits.time_limit_s} s")
            if not packet.is_keyframe:
                continue
            self.keyframes += 1
            at_s = self._seconds(packet.pts)
            if at_s >= next_s and self._taken < self._limits.max_looks:
                next_s = at_s + self._interval_s
                self._taken += 1
                yield packet
            if self.keyframes == self._expected:
                return

    def look(self, frame: av.VideoFrame) -> DecodedFrame:
        pts_s = self._seconds(frame.pts) if frame.pts is not None else 0.0
        return DecodedFrame(max(0.0, pts_s), frame, frame.is_corrupt)

    def _seconds(self, pts: int) -> float:
        return (pts - (self._start or 0)) * self._tick_s


def _from_access_unit(data: bytes, content_type: ContentType, limits: DecodeLimits) -> Decoded:
    name = _UNITS[content_type]
    if content_type is not ContentType.AV1 and not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        raise DeadLettered(
            "content-type-mismatch",
            f"{content_type.value}: begins with {data[:4].hex()}, expected an Annex B start code",
        )
    codec = _decoder(name, limits)
    images = [*codec.decode(Packet(data)), *codec.decode(None)]
    if not images:
        raise DeadLettered(
            "no-keyframe",
            f"{content_type.value} of {len(data)} bytes: no picture; send a keyframe's whole "
            "access unit with its parameter sets",
        )
    first = images[0]
    check_pixels(first.width, first.height, limits.max_pixels)
    return Decoded([DecodedFrame(0.0, first, first.is_corrupt)], name, first.width, first.height, 1)


def _from_picture(data: bytes, content_type: ContentType, limits: DecodeLimits) -> Decoded:
    format_name = _PICTURES[content_type]
    if not _looks_like(data, content_type):
        raise DeadLettered(
            "content-type-mismatch",
            f"content-type says {content_type.value}, the media begins with {data[:8].hex()}",
        )
    try:
        with Image.open(io.BytesIO(data), formats=(format_name,)) as picture:
            check_pixels(picture.width, picture.height, limits.max_pixels)
            pixels = np.asarray(picture.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise DeadLettered("too-many-pixels", str(error)) from error
    image = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    frame = DecodedFrame(0.0, image, corrupt=False)
    return Decoded([frame], format_name.lower(), image.width, image.height, 1)


def _looks_like(data: bytes, content_type: ContentType) -> bool:
    """Whether the first bytes are of the type that the header names."""
    match content_type:
        case ContentType.MPEG_TS:
            return is_transport_stream(data)
        case ContentType.FRAGMENTED_MP4:
            return data[4:8] in (b"ftyp", b"styp", b"moof", b"moov", b"sidx")
        case ContentType.JPEG:
            return data.startswith(b"\xff\xd8\xff")
        case ContentType.PNG:
            return data.startswith(b"\x89PNG\r\n\x1a\n")
        case ContentType.WEBP:
            return data[:4] == b"RIFF" and data[8:12] == b"WEBP"
        case _:
            return True
