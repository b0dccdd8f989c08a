"""Decoded frames on disk: every take is decoded once, by the worker's own resampler.

One `<take>.npy` (uint8 [frames, 224, 224, 3], RGB) and `<take>.times.npy` (float64 seconds) per
take; readers map them, so that the page cache is the only memory they cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from engines.preprocess import FrameScaler
from training.errors import PoolRejected
from training.gameplay import Labels, Take, labels_at

SIDE = 224
Pixels = npt.NDArray[np.uint8]
Times = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CachedTake:
    """A take with its frames mapped: `frames` [n, 224, 224, 3], `times_s` [n], `labels` [n]."""

    take: Take
    frames: Pixels
    times_s: Times
    labels: Labels


def cached_takes(takes: Iterable[Take], cache: Path) -> list[CachedTake]:
    """Maps every take, decoding those that the cache lacks."""
    cache.mkdir(parents=True, exist_ok=True)
    return [_cached(take, cache) for take in takes]


def _cached(take: Take, cache: Path) -> CachedTake:
    pixels, clock = cache / f"{take.take}.npy", cache / f"{take.take}.times.npy"
    if not clock.exists():
        frames, times_s = decoded(take.video)
        np.save(pixels, frames)
        np.save(clock, times_s)  # last: its presence says that the pair is whole
    times = np.load(clock)
    return CachedTake(take, np.load(pixels, mmap_mode="r"), times, labels_at(take, times))


def decoded(video: Path, side: int = SIDE) -> tuple[Pixels, Times]:
    """Decodes a whole video.

    Returns:
        uint8 [n, side, side, 3] RGB frames and their times in seconds from the first.

    Raises:
        PoolRejected: The file holds no picture that can be decoded.
    """
    frames: list[Pixels] = []
    times: list[float] = []
    scaler = FrameScaler(side, side)
    try:
        with av.open(str(video)) as container:
            container.streams.video[0].thread_type = "NONE"
            for frame in container.decode(video=0):
                frames.append(np.array(scaler.rgb(frame)))
                times.append(float(frame.time if frame.time is not None else 0.0))
    except (av.FFmpegError, IndexError) as error:
        raise PoolRejected(
            f"{video}: cannot be decoded ({error}); render the take again"
        ) from error
    if not frames:
        raise PoolRejected(f"{video}: no frame inside; render the take again")
    return np.stack(frames), np.asarray(times) - times[0]
