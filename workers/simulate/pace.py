"""Holds a busy loop to a share of one core."""

from __future__ import annotations

import time


class Pace:
    """Call `rest` once in each round; it sleeps so that the rounds use the share and no more.

    Args:
        share: Of one core, above 0 to 1.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._woke = time.perf_counter()

    def rest(self) -> None:
        busy_s = time.perf_counter() - self._woke
        if self._share < 1:
            time.sleep(busy_s * (1 / self._share - 1))
        self._woke = time.perf_counter()
