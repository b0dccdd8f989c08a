"""How long to wait before the next attempt: growing, with jitter, so that a crowd spreads out."""

from __future__ import annotations

import random
from datetime import timedelta


class Backoff:
    """Decorrelated jitter (Brooker, "Exponential Backoff And Jitter", 2015).

    Each wait is drawn between the least and three times the last one, and never above the most.
    """

    def __init__(self, least: timedelta, most: timedelta, seed: int | None = None) -> None:
        self._least_s = least.total_seconds()
        self._most_s = most.total_seconds()
        self._random = random.Random(seed)
        self._last_s = self._least_s

    def next_s(self) -> float:
        """Seconds to wait now."""
        drawn = self._random.uniform(self._least_s, max(self._last_s * 3, self._least_s))
        self._last_s = min(drawn, self._most_s)
        return self._last_s

    def reset(self) -> None:
        """The far side answered."""
        self._last_s = self._least_s
