"""Reads just enough of H.264, HEVC and AV1 to cut them: parameter sets in front of a keyframe.

Byte layouts: H.264 (ISO/IEC 14496-10) annex B and table 7-1, HEVC (ISO/IEC 23008-2) annex B and
table 7-1, AV1 bitstream specification section 5.3. Knows nothing of containers.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final

START_CODE: Final = b"\x00\x00\x00\x01"
_SHORT_START_CODE: Final = b"\x00\x00\x01"
_H264_SPS, _H264_PPS, _H264_DELIMITER = 7, 8, 9
_HEVC_VPS, _HEVC_SPS, _HEVC_PPS, _HEVC_DELIMITER = 32, 33, 34, 35
_OBU_SEQUENCE_HEADER: Final = 1
_OBU_FRAMES: Final = frozenset({3, 4, 6})


class Codec(StrEnum):
    """Codecs that are carried as they come."""

    H264 = "h264"
    HEVC = "hevc"
    AV1 = "av1"


def sniffed_codec(access_unit: bytes) -> Codec | None:
    """H.264 or HEVC by the parameter sets of an Annex B keyframe; None where it has none."""
    for start, _ in _units(access_unit, limit=8):
        first, second = access_unit[start], access_unit[start + 1 : start + 2]
        if first in (0x67, 0x47, 0x27):
            return Codec.H264
        if first in (0x40, 0x42) and second == b"\x01":
            return Codec.HEVC
    return None


def parameter_sets(codec: Codec, access_unit: bytes) -> tuple[bytes, bytes]:
    """What a decoder needs before the first picture of an access unit.

    Returns:
        All parameter sets as they would be written in front of a keyframe, and the sequence-level
        part alone: when that changes, size or profile changed. Both empty where there are none.
    """
    if codec is Codec.AV1:
        header = b"".join(obu for kind, obu in _obus(access_unit) if kind == _OBU_SEQUENCE_HEADER)
        return header, header
    everything, sequence = b"", b""
    sets = (_H264_SPS, _H264_PPS) if codec is Codec.H264 else (_HEVC_VPS, _HEVC_SPS, _HEVC_PPS)
    sequence_kind = _H264_SPS if codec is Codec.H264 else _HEVC_SPS
    for start, end in _units(access_unit):
        kind = _kind(codec, access_unit[start])
        if _is_picture(codec, kind):
            break
        if kind in sets:
            unit = START_CODE + access_unit[start:end].rstrip(b"\x00")
            everything += unit
            sequence += unit if kind == sequence_kind else b""
    return everything, sequence


def with_parameter_sets(codec: Codec, access_unit: bytes, sets: bytes) -> bytes:
    """The access unit with `sets` in front of its pictures, after its delimiter if it has one."""
    if codec is Codec.AV1:
        obus = list(_obus(access_unit))
        delimiter = obus[0][1] if obus and obus[0][0] == 2 else b""
        return delimiter + sets + access_unit[len(delimiter) :]
    delimiter_kind = _H264_DELIMITER if codec is Codec.H264 else _HEVC_DELIMITER
    for start, end in _units(access_unit, limit=1):
        if _kind(codec, access_unit[start]) == delimiter_kind:
            return access_unit[:end] + sets + access_unit[end:]
    return sets + access_unit


def parameter_sets_of_av1_configuration(extradata: bytes) -> bytes:
    """Sequence header OBU behind the four bytes of `av1C` (MP4 and Matroska)."""
    return extradata[4:] if len(extradata) > 4 and extradata[0] == 0x81 else b""


def _kind(codec: Codec, first_byte: int) -> int:
    return first_byte & 0x1F if codec is Codec.H264 else (first_byte >> 1) & 0x3F


def _is_picture(codec: Codec, kind: int) -> bool:
    return 1 <= kind <= 5 if codec is Codec.H264 else kind < 32


def _units(data: bytes, limit: int | None = None) -> Iterator[tuple[int, int]]:
    """Start and end of each NAL unit, without start codes; `limit` bounds how many."""
    found = data.find(_SHORT_START_CODE)
    count = 0
    while found >= 0 and found + 3 < len(data) and (limit is None or count < limit):
        start = found + 3
        found = data.find(_SHORT_START_CODE, start)
        end = len(data) if found < 0 else found
        if found > 0 and data[found - 1] == 0:
            end = found - 1
        if end > start:
            yield start, end
            count += 1


def _obus(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and whole bytes of each OBU up to the first frame."""
    place = 0
    while place < len(data):
        kind, has_extension, has_size = (data[place] >> 3) & 15, data[place] & 4, data[place] & 2
        if kind in _OBU_FRAMES or not has_size:
            return
        size, cursor = _leb128(data, place + (2 if has_extension else 1))
        yield kind, data[place : cursor + size]
        place = cursor + size


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for number, byte in enumerate(data[place : place + 8]):
        value |= (byte & 0x7F) << (7 * number)
        if not byte & 0x80:
            return value, place + number + 1
    return 0, len(data)
