"""What a stream can play: a take with its truth, or an ordinary file with none."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from workers.simulate.errors import PoolRejected
from workers.simulate.takes import Take
from workers.simulate.truth import Incident, Span

_KEYFRAMES_AT_MOST_S: Final = 2.0
_LONGEST_CHECKED_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Reel:
    """A playable file; times are seconds from its first frame."""

    path: Path
    duration_s: float
    size: tuple[int, int]
    incidents: tuple[Incident, ...] = ()
    ambiguous: tuple[Span, ...] = ()


def reel_from_take(pool: Path, take: Take) -> Reel:
    return Reel(
        path=pool / take.file,
        duration_s=take.duration_s,
        size=(take.width, take.height),
        incidents=take.incidents,
        ambiguous=take.ambiguous,
    )


def reel_from_file(path: Path, scratch: Path) -> Reel:
    """Makes an ordinary file playable.

    Args:
        path: Any video; transcoded unless it is H.264 with a keyframe at least every 2 s.
        scratch: Directory for what is transcoded.

    Raises:
        PoolRejected: It is no video that can be read.
    """
    try:
        if not _plays_as_it_is(path):
            digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:16]
            path = _transcoded(path, scratch / f"{digest}.ts")
        return _measured(path)
    except (av.FFmpegError, OSError) as error:
        raise PoolRejected(f"{path}: cannot be read as video: {error}; leave it out") from error


def _plays_as_it_is(path: Path) -> bool:
    with av.open(path) as container:
        if not container.streams.video:
            raise PoolRejected(f"{path}: has no video; leave it out")
        stream = container.streams.video[0]
        if stream.codec_context.name != "h264" or stream.codec_context.pix_fmt != "yuv420p":
            return False
        last_s = 0.0
        for packet in container.demux(stream):
            if packet.pts is None or packet.time_base is None:
                continue
            if packet.dts is None:  # Matroska with reordered pictures: nothing to mux them by
                return False
            at_s = float((packet.pts - (stream.start_time or 0)) * packet.time_base)
            if packet.is_keyframe:
                last_s = at_s
            elif at_s - last_s > _KEYFRAMES_AT_MOST_S:
                return False
            if at_s > _LONGEST_CHECKED_S:
                break
    return True


def _transcoded(source: Path, target: Path) -> Path:
    with av.open(source) as reader, av.open(target, "w", format="mpegts") as writer:
        video = reader.streams.video[0]
        video.thread_type = "AUTO"
        rate = video.average_rate or Fraction(25)
        copy = writer.add_stream("libx264", rate=rate)
        copy.width, copy.height = video.width & ~1, video.height & ~1
        copy.pix_fmt = "yuv420p"
        copy.codec_context.gop_size = max(1, round(rate))
        copy.codec_context.options = {"preset": "veryfast", "x264-params": "scenecut=0:bframes=0"}
        for number, frame in enumerate(reader.decode(video)):
            picture = frame.reformat(copy.width, copy.height, "yuv420p")
            picture.pts, picture.time_base = number, 1 / Fraction(rate)
            writer.mux(copy.encode(picture))
        writer.mux(copy.encode())
    return target


def _measured(path: Path) -> Reel:
    with av.open(path) as container:
        stream = container.streams.video[0]
        first, last, step = None, 0.0, 0.0
        for packet in container.demux(stream):
            if packet.pts is None or packet.time_base is None:
                continue
            at_s = float(packet.pts * packet.time_base)
            first = at_s if first is None else min(first, at_s)
            if at_s > last:
                last, step = at_s, float((packet.duration or 0) * packet.time_base)
        if first is None:
            raise PoolRejected(f"{path}: has no frames; leave it out")
        step = step or 1 / float(stream.average_rate or 25)
        return Reel(path, last - first + step, (stream.width, stream.height))
