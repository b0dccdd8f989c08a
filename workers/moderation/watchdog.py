"""Notices a partition that a client has stopped fetching although there is more to read.

Two bugs of this kind were in earlier releases of kafka-python (dpkp/kafka-python #3106, #3131);
both ended with a seek to where the partition stood.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from workers.moderation.watermark import Partition

STUCK_S: Final = 20.0


class FetchWatch:
    """Remembers since when each partition has stood still."""

    def __init__(self, limit_s: float = STUCK_S) -> None:
        self._limit_s = limit_s
        self._since: dict[Partition, tuple[int, float]] = {}

    def stuck(self, places: Mapping[Partition, tuple[int, int]], now_s: float) -> list[Partition]:
        """Partitions that stood still for too long; each is named once per such time.

        Args:
            places: Position and end of each partition that should be moving.
            now_s: Seconds of a monotonic clock.
        """
        kept: dict[Partition, tuple[int, float]] = {}
        stuck: list[Partition] = []
        for partition, (position, end) in places.items():
            if position >= end:
                continue
            before, since_s = self._since.get(partition, (None, now_s))
            if before != position:
                since_s = now_s
            elif now_s - since_s >= self._limit_s:
                stuck.append(partition)
                since_s = now_s
            kept[partition] = (position, since_s)
        self._since = kept
        return stuck

    def forget(self) -> None:
        """Nothing should move now, such as while partitions are paused."""
        self._since.clear()
