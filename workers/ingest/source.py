"""Opens one source with FFmpeg and yields its encoded video packets. The only place that reads one.

FFmpeg's errors become two of ours: `SourceRefused` (asking again will not help) and `SourceLost`
(the far side is away). Neither text holds credentials.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

import av
import av.error
import av.logging
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.stream import VideoStream

from workers.errors import Retryable, WorkerError
from workers.ingest.address import SourceAddress, SourceKind
from workers.ingest.bitstream import (
    Codec,
    parameter_sets_of_av1_configuration,
    sniffed_codec,
)
from workers.ingest.encoding import encoded_packets
from workers.ingest.timeline import TICKS_PER_SECOND, SourcePacket
from workers.redaction import redacted

_CODECS: Final = {
    "h264": Codec.H264,
    "hevc": Codec.HEVC,
    "av1": Codec.AV1,
    "libdav1d": Codec.AV1,
    "libaom-av1": Codec.AV1,
}
_ANNEX_B_FILTERS: Final = {Codec.H264: "h264_mp4toannexb", Codec.HEVC: "hevc_mp4toannexb"}
_REFUSALS: Final = (
    av.error.InvalidDataError,
    av.error.HTTPBadRequestError,
    av.error.HTTPUnauthorizedError,
    av.error.HTTPForbiddenError,
    av.error.ProtocolNotFoundError,
    av.error.DemuxerNotFoundError,
    av.error.DecoderNotFoundError,
    av.error.PatchWelcomeError,
    av.error.PermissionError,
    av.error.ArgumentError,
    av.error.FileNotFoundError,
)
# Damaged or hostile media also shows as these (bytes in metadata, streams without a codec).
_USUAL_TIME_BASE: Final = Fraction(1, TICKS_PER_SECOND)
_MEDIA_ERRORS: Final = (ValueError, IndexError, AttributeError, MemoryError)


class SourceRefused(WorkerError):
    """This source can not be read: wrong address, no access, no video in it."""


class SourceLost(Retryable):
    """The source does not answer, or stopped answering."""


@dataclass(slots=True)
class OpenSource:
    """A source while it is open.

    Attributes:
        codec: What its packets are in.
        is_encoded: True where the source's own codec is not carried and H.264 is made of it.
        duration_s: Length that the source states; None for a live one.
        template: Describes the stream to a muxer; valid while the source is open.
    """

    address: SourceAddress
    codec: Codec
    original_codec: str
    size: tuple[int, int]
    duration_s: float | None
    template: VideoStream
    known_sets: bytes
    container: InputContainer = field(repr=False)
    keyframe_interval_s: float

    @property
    def is_finite(self) -> bool:
        """Its end is known: when it is reached, the stream has ended."""
        return self.address.is_recording or self.duration_s is not None

    @property
    def is_recording(self) -> bool:
        """Finite, and read at any speed; RTSP and RTMP send at the speed of the pictures."""
        return self.is_finite and self.address.kind in (SourceKind.FILE, SourceKind.HTTP)

    @property
    def is_encoded(self) -> bool:
        return self.original_codec not in _CODECS

    def packets(self) -> Iterator[SourcePacket]:
        """Encoded access units until the source ends.

        Raises:
            SourceLost: It stopped answering.
            SourceRefused: What came can not be read.
        """
        with _mapped(self.address):
            if self.is_encoded:
                yield from encoded_packets(self.container, self.template, self.keyframe_interval_s)
            else:
                yield from self._copied()

    def _copied(self) -> Iterator[SourcePacket]:
        name = _ANNEX_B_FILTERS.get(self.codec)
        to_annex_b = BitStreamFilterContext(name, self.template) if name else None
        for packet in self.container.demux(self.template):
            if not packet.size:
                continue
            for ready in to_annex_b.filter(packet) if to_annex_b else [packet]:
                yield self._source_packet(ready)

    def _source_packet(self, ready: Packet[VideoStream]) -> SourcePacket:
        base = (self.template.time_base or _USUAL_TIME_BASE) * TICKS_PER_SECOND
        data = bytes(ready)
        if ready.is_keyframe and self.codec is not Codec.AV1:
            # A transport stream may change its codec under the same packet identifier.
            self.codec = sniffed_codec(data) or self.codec
        return SourcePacket(
            data=data,
            codec=self.codec,
            is_keyframe=ready.is_keyframe,
            pts=None if ready.pts is None else round(ready.pts * base),
            dts=None if ready.dts is None else round(ready.dts * base),
            duration=round((ready.duration or 0) * base),
        )


@contextmanager
def open_source(
    address: SourceAddress, timeout_s: float, keyframe_interval_s: float
) -> Iterator[OpenSource]:
    """Opens a source for as long as the block runs.

    Args:
        address: One that can be opened: no directory.
        timeout_s: How long it may stay silent, at opening and later.
        keyframe_interval_s: Distance of keyframes where the source must be encoded.

    Raises:
        SourceRefused: It has no video, or asking again will not help.
        SourceLost: It does not answer.
    """
    with _mapped(address):
        container = _opened(address, timeout_s)
    with container:
        with _mapped(address):
            source = _described(address, container, keyframe_interval_s)
        yield source


def _opened(address: SourceAddress, timeout_s: float) -> InputContainer:
    access = address.access
    options = dict(access.options, format_whitelist=access.formats)
    is_webcam = address.kind is SourceKind.WEBCAM
    if not is_webcam:
        options["protocol_whitelist"] = access.protocols
    # FFmpeg names the cause (a host without address, a refused login) in its log only. The level
    # goes back to none: a log call out of one of its threads may wait for the interpreter for ever.
    av.logging.set_level(av.logging.ERROR)
    try:
        with av.logging.Capture() as captured:
            return av.open(
                address.location,
                "r",
                format="v4l2" if is_webcam else None,
                options=options,
                metadata_errors="replace",
                timeout=timeout_s,
            )
    except av.FFmpegError as error:
        error.add_note("; ".join(message.strip() for _, _, message in captured[-2:]))
        raise
    finally:
        av.logging.set_level(None)


def _described(
    address: SourceAddress, container: InputContainer, keyframe_interval_s: float
) -> OpenSource:
    found = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not found:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise SourceRefused(f"{address.shown}: no video, only {kinds}; a video stream is needed")
    stream = max(found, key=lambda one: one.width * one.height)
    for other in container.streams:
        if other is not stream:
            # Audio that goes on while the video stands still would hide the stall.
            other.discard = Discard.all
    name = stream.codec_context.name
    extradata = bytes(stream.codec_context.extradata or b"")
    codec = _CODECS.get(name, Codec.H264)
    return OpenSource(
        address=address,
        codec=codec,
        original_codec=name,
        size=(stream.width, stream.height),
        duration_s=container.duration / 1e6 if container.duration else None,
        template=stream,
        known_sets=parameter_sets_of_av1_configuration(extradata) if codec is Codec.AV1 else b"",
        container=container,
        keyframe_interval_s=keyframe_interval_s,
    )


@contextmanager
def _mapped(address: SourceAddress) -> Iterator[None]:
    try:
        yield
    except av.error.ExitError as error:
        raise SourceLost(f"{address.shown}: no data in time") from error
    except _REFUSALS as error:
        raise SourceRefused(f"{address.shown}: {_cause(error)}") from error
    except av.FFmpegError as error:
        raise SourceLost(f"{address.shown}: {_cause(error)}") from error
    except _MEDIA_ERRORS as error:
        raise SourceRefused(f"{address.shown}: media that can not be read ({error!r})") from error
    except OSError as error:
        raise SourceLost(f"{address.shown}: {error.strerror or error}") from error


def _cause(error: av.FFmpegError) -> str:
    """FFmpeg's words without the address, which may hold credentials."""
    notes = [note for note in getattr(error, "__notes__", ()) if note]
    return redacted(": ".join([error.strerror or type(error).__name__, *notes]))
