"""MPEG-TS taken apart by hand, as far as a keyframe needs it: 0.8 of 6.2 ms less at 720p.

ISO/IEC 13818-1, 2.4: packets of 188 bytes; tables name the video's packets (PAT, PMT); the
adaptation field's random_access_indicator marks where a decoder may start; a picture is one PES
packet. Only plain streams are taken apart; what is odd is left to libav's demuxer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

PACKET_BYTES: Final = 188
SYNC_BYTE: Final = 0x47
CLOCK_HZ: Final = 90_000
_CLOCK_BITS: Final = 33
_RANDOM_ACCESS: Final = 0x40
_VIDEO: Final = {0x1B: "h264", 0x24: "hevc"}
_NO_VIDEO: Final = frozenset({0x03, 0x04, 0x0F, 0x11, 0x15, 0x81, 0x86, 0x87})
"""Stream types of sound, ID3 and cue messages; any other may be video that libav should judge."""

Packets = npt.NDArray[np.uint8]
"""uint8 [n, 188]."""
Identifiers = npt.NDArray[np.integer[Any]]
"""[n], the packet identifier (PID) of each."""


@dataclass(frozen=True, slots=True)
class KeyframeUnit:
    """The access unit of a keyframe, and its time after the first picture of the media."""

    pts_s: float
    data: bytes


@dataclass(frozen=True, slots=True)
class VideoPackets:
    """Where the packets of the only video stream are; nothing of them is copied.

    Attributes:
        codec: libav's name of the decoder.
        packets: All packets of the media.
        rows: Which of them are the video's and have a payload.
        starts: Indices into `rows` of packets that begin a picture.
        keyframes: Indices into `rows` of those that a decoder may start with.
    """

    codec: str
    packets: Packets
    rows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    keyframes: npt.NDArray[np.int64]


def is_transport_stream(data: memoryview | bytes) -> bool:
    """Whether the first packets begin with the sync byte."""
    starts = range(0, min(len(data), 5 * PACKET_BYTES), PACKET_BYTES)
    return len(data) >= PACKET_BYTES and all(data[start] == SYNC_BYTE for start in starts)


def random_access_points(data: memoryview | bytes) -> int:
    """Packets that say a decoder may start with them, over all streams; 0 if none says so."""
    packets = np.frombuffer(data, np.uint8, count=len(data) // PACKET_BYTES * PACKET_BYTES)
    return int(np.count_nonzero(_is_random_access(packets.reshape(-1, PACKET_BYTES))))


def video_packets(data: memoryview | bytes) -> VideoPackets | None:
    """Finds the video of a plain stream: one programme, one video, whole packets, nothing damaged.

    Returns:
        None where the stream is not that plain; it may still be good.
    """
    if not data or len(data) % PACKET_BYTES:
        return None
    packets = np.frombuffer(data, np.uint8).reshape(-1, PACKET_BYTES)
    headers = np.ascontiguousarray(packets[:, :4])  # close together: each is looked at often
    if not (headers[:, 0] == SYNC_BYTE).all():
        return None
    identifiers = np.ascontiguousarray(headers[:, 1:3]).view(">u2")[:, 0] & 0x1FFF
    found = _video_stream(packets, identifiers)
    if found is None:
        return None
    codec, identifier = found
    flags, control = headers[:, 1], headers[:, 3]
    rows = np.flatnonzero((identifiers == identifier) & (control & 0x10 != 0))
    starts = np.flatnonzero(flags[rows] & 0x40)
    is_damaged = (flags[rows] & 0x80 != 0) | (control[rows] & 0xC0 != 0)
    if not len(starts) or starts[0] != 0 or is_damaged.any():
        return None
    keyframes = starts[_is_random_access(packets[rows[starts]])]
    return VideoPackets(codec, packets, rows, starts, keyframes)


def keyframe_units(
    video: VideoPackets, interval_s: float, most: int
) -> tuple[KeyframeUnit, ...] | None:
    """Cuts out keyframes at least `interval_s` apart, at most so many.

    Returns:
        None where a picture is not whole or has no time.
    """
    first = _picture(video, 0)
    if first is None:
        return None
    units: list[KeyframeUnit] = []
    for start in video.keyframes:
        picture = first if start == 0 else _picture(video, int(start))
        if picture is None:
            return None
        ticks = (picture[0] - first[0]) % (1 << _CLOCK_BITS)
        pts_s = (ticks - (ticks >> (_CLOCK_BITS - 1) << _CLOCK_BITS)) / CLOCK_HZ
        if not units or pts_s >= units[-1].pts_s + interval_s:
            units.append(KeyframeUnit(max(0.0, pts_s), picture[1]))
        if len(units) == most:
            break
    return tuple(units)


def _is_random_access(packets: Packets) -> npt.NDArray[np.bool_]:
    has_field = (packets[:, 3] & 0x20 != 0) & (packets[:, 4] > 0)
    is_access: npt.NDArray[np.bool_] = has_field & (packets[:, 5] & _RANDOM_ACCESS != 0)
    return is_access


def _video_stream(packets: Packets, identifiers: Identifiers) -> tuple[str, int] | None:
    """Codec and packet identifier of the only video, by the tables."""
    programmes = _table(packets, identifiers, 0, table=0x00)
    if programmes is None or len(programmes) != 4:
        return None  # none, or several programmes, or a network table beside one
    streams = _table(packets, identifiers, _identifier(programmes, 2), table=0x02)
    if streams is None or len(streams) < 4:
        return None
    at, found = 4 + _length(streams, 2), []
    while at + 5 <= len(streams):
        kind = streams[at]
        if kind in _VIDEO:
            found.append((_VIDEO[kind], _identifier(streams, at + 1)))
        elif kind not in _NO_VIDEO:
            return None
        at += 5 + _length(streams, at + 3)
    return found[0] if len(found) == 1 else None


def _table(packets: Packets, identifiers: Identifiers, identifier: int, table: int) -> bytes | None:
    """The body of a table's section, between its header and its CRC; one packet holds it whole.

    None where it is not there, is longer, or changes on the way.
    """
    rows = packets[(identifiers == identifier) & (packets[:, 1] & 0x40 != 0)]
    if not len(rows) or (rows[:, 4:] != rows[0, 4:]).any():
        return None
    payload = _payload(rows[0])
    section = payload[1 + payload[0] :] if payload else b""
    if len(section) < 12 or section[0] != table:
        return None
    end = 3 + _length(section, 1) - 4
    return section[8:end] if 8 <= end <= len(section) else None


def _picture(video: VideoPackets, start: int) -> tuple[int, bytes] | None:
    """Presentation time in ticks, and the elementary stream, of the picture that begins there."""
    after = video.starts[np.searchsorted(video.starts, start) + 1 :]
    rows = video.packets[video.rows[start : after[0] if len(after) else None]]
    counters = rows[:, 3] & 0x0F
    if ((counters[:-1] + 1) & 0x0F != counters[1:]).any():
        return None
    pes = _payloads(rows)
    if len(pes) < 14 or pes[:3] != b"\0\0\1" or pes[3] & 0xF0 != 0xE0 or not pes[7] & 0x80:
        return None
    stamp = pes[9:14]
    ticks = (
        (stamp[0] >> 1 & 0x07) << 30
        | stamp[1] << 22
        | (stamp[2] >> 1) << 15
        | stamp[3] << 7
        | stamp[4] >> 1
    )
    return ticks, pes[9 + pes[8] :]


def _payloads(packets: Packets) -> bytes:
    """The payloads of all packets, one after the other; only a few have an adaptation field."""
    parts: list[bytes] = []
    done = 0
    for row in np.flatnonzero(packets[:, 3] & 0x20).tolist():
        parts += [packets[done:row, 4:].tobytes(), _payload(packets[row])]
        done = row + 1
    return b"".join([*parts, packets[done:, 4:].tobytes()])


def _payload(packet: npt.NDArray[np.uint8]) -> bytes:
    skipped = 4 + (1 + int(packet[4]) if packet[3] & 0x20 else 0)
    return packet[skipped:].tobytes()


def _identifier(table: bytes, at: int) -> int:
    return int.from_bytes(table[at : at + 2]) & 0x1FFF


def _length(table: bytes, at: int) -> int:
    return int.from_bytes(table[at : at + 2]) & 0x0FFF
