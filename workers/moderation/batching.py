"""Batches across streams: closed by size or by the oldest frame's deadline. Pure; time is given.

Used where batching pays (a GPU). No stream may fill a batch: frames beyond its share wait for the
next one, in order.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """A decoded frame in the frame pool: its stream, its row and when it got there (seconds)."""

    stream_id: str
    row: int
    since_s: float


class Batcher:
    """Collects frames until a batch is due.

    Args:
        size: Frames that close a batch.
        deadline_s: Age of the oldest frame that closes one.
        per_stream: Frames of one stream that a batch takes.
    """

    def __init__(self, size: int, deadline_s: float, per_stream: int) -> None:
        self._size = size
        self._deadline_s = deadline_s
        self._per_stream = per_stream
        self._queue: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, frame: Waiting) -> None:
        self._queue.append(frame)

    def due_in(self, now_s: float) -> float | None:
        """Seconds until a batch is due, 0 if one is, None when nothing waits."""
        if not self._queue:
            return None
        if len(self._queue) >= self._size:
            return 0.0
        return max(0.0, self._queue[0].since_s + self._deadline_s - now_s)

    def take(self) -> list[Waiting]:
        """Takes the next batch: oldest first, at most `size`, at most `per_stream` of a stream."""
        batch: list[Waiting] = []
        later: deque[Waiting] = deque()
        shares: Counter[str] = Counter()
        while self._queue and len(batch) < self._size:
            frame = self._queue.popleft()
            if shares[frame.stream_id] < self._per_stream:
                shares[frame.stream_id] += 1
                batch.append(frame)
            else:
                later.append(frame)
        self._queue.extendleft(reversed(later))
        return batch
