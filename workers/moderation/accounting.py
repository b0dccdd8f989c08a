"""The frame account: every frame that came in is counted again when its fate is known.

`arrived` is entered by intake, `settled` when Redis has acknowledged what became of the message;
the two meet only if nothing was lost on the way.
"""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum


class Outcome(StrEnum):
    """What became of a frame."""

    SCORED = "scored"
    CORRUPT = "corrupt"
    """Scored from damaged media: no flag does not mean clean."""
    THINNED = "thinned"
    """In the media, but not sampled."""
    DUPLICATE = "duplicate"
    """Its sequence number was there before in this session, or is too old to tell."""
    REPLAYED = "replayed"
    """Delivered again after its decision had been stored."""
    DEAD_LETTERED = "dead_lettered"
    HANDED_OVER = "handed_over"
    """Its partition moved before it was done; the next owner gets it again."""


class FrameAccount:
    """Frames in, frames out by outcome. Safe to read from any thread.

    The frames of a message are its keyframes: the ones that can be looked at. A message whose
    frames cannot be counted (refused, doubled, replayed, handed over, still in work) counts as one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._arrived = 0
        self._settled: Counter[Outcome] = Counter()

    def arrive(self, frames: int) -> None:
        with self._lock:
            self._arrived += frames

    def settle(self, outcomes: dict[Outcome, int]) -> None:
        with self._lock:
            self._settled.update(outcomes)

    @property
    def arrived(self) -> int:
        return self._arrived

    @property
    def open(self) -> int:
        """Frames that came in and are not settled yet; 0 after a drain."""
        with self._lock:
            return self._arrived - self._settled.total()

    def outcomes(self) -> dict[str, int]:
        """Settled frames by outcome, every outcome named."""
        with self._lock:
            return {outcome.value: self._settled[outcome] for outcome in Outcome}
