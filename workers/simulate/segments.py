"""Cuts an encoded file into transport-stream segments that begin with a keyframe, as it is."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from workers.simulate.errors import PoolRejected

_CLOCK: Final = 90_000
_ROUNDING_S: Final = 0.001
_LEAD_S: Final = 1.0
"""Timestamps begin here: where pictures are reordered, decoding begins before the first one."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of encoded video, decodable by itself.

    Times are seconds on the clock of the whole stream; `data` is MPEG-TS, and its timestamps are
    on the same clock, one second later.
    """

    start_s: float
    duration_s: float
    frames: int
    data: bytes


def segments(path: Path, offset_s: float, target_s: float, duration_s: float) -> Iterator[Segment]:
    """Reads a file's video as segments, without decoding it.

    Args:
        path: A file whose video is H.264.
        offset_s: Where on the stream's clock the file's first frame lies.
        target_s: A segment ends at the first keyframe at or after each multiple of this.
        duration_s: Of the whole file, from its first frame.

    Raises:
        PoolRejected: The file cannot be read, or has no video.
    """
    try:
        with av.open(path) as container:
            if not container.streams.video:
                raise PoolRejected(f"{path}: has no video; give another file")
            stream = container.streams.video[0]
            yield from _cut(container.demux(stream), stream, offset_s, target_s, duration_s)
    except (av.FFmpegError, OSError) as error:
        raise PoolRejected(f"{path}: cannot be read as video: {error}") from error


def _cut(
    packets: Iterator[av.Packet[av.VideoStream]],
    stream: av.VideoStream,
    offset_s: float,
    target_s: float,
    duration_s: float,
) -> Iterator[Segment]:
    group: list[av.Packet[av.VideoStream]] = []
    first_pts: int | None = None
    group_start_s, due_s = 0.0, target_s
    for packet in packets:
        if packet.pts is None or packet.time_base is None:
            continue
        if first_pts is None:
            if not packet.is_keyframe:
                continue
            first_pts = packet.pts
        at_s = float((packet.pts - first_pts) * packet.time_base)
        if group and packet.is_keyframe and at_s >= due_s - _ROUNDING_S:
            yield _segment(group, stream, first_pts, offset_s, (group_start_s, at_s))
            group, group_start_s = [], at_s
            # Due on a grid: a keyframe that comes late makes the next segment no longer.
            due_s = target_s * (math.floor((at_s + _ROUNDING_S) / target_s) + 1)
        group.append(packet)
    if group and first_pts is not None:
        yield _segment(group, stream, first_pts, offset_s, (group_start_s, duration_s))


def _segment(
    packets: list[av.Packet[av.VideoStream]],
    stream: av.VideoStream,
    first_pts: int,
    offset_s: float,
    span_s: tuple[float, float],
) -> Segment:
    target = io.BytesIO()
    # Otherwise the muxer adds 1.4 s to every timestamp.
    exact = {"mpegts_copyts": "1"}
    with av.open(target, "w", format="mpegts", options=exact) as container:
        copy = container.add_stream_from_template(stream)
        for packet in packets:
            _shift(packet, first_pts, offset_s)
            packet.stream = copy
            container.mux(packet)
    return Segment(
        start_s=offset_s + span_s[0],
        duration_s=span_s[1] - span_s[0],
        frames=len(packets),
        data=target.getvalue(),
    )


def _shift(packet: av.Packet[av.VideoStream], first_pts: int, offset_s: float) -> None:
    """Moves a packet to the stream's clock, rounding once so that takes join without drift."""
    base = packet.time_base
    start = round((_LEAD_S + offset_s) * _CLOCK)
    pts, dts = packet.pts, packet.dts
    packet.time_base = Fraction(1, _CLOCK)
    if pts is not None and base is not None:
        packet.pts = start + round((pts - first_pts) * base * _CLOCK)
        packet.dts = start + round(((pts if dts is None else dts) - first_pts) * base * _CLOCK)
