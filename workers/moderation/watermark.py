"""Which offsets may be committed: the lowest unfinished delivered offset of each partition.

Offsets are compared with what was delivered, never counted on: compaction and transactions leave
gaps. Work of an earlier assignment of a partition (another epoch) is finished, never committed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


@dataclass(slots=True)
class _Track:
    epoch: int
    order: deque[int] = field(default_factory=deque)
    done: set[int] = field(default_factory=set)
    position: int | None = None
    """Next offset to read when everything below is done; None while nothing is."""
    is_news: bool = False
    given_up: int = 0


class OffsetLedger:
    """Delivered offsets, finished in any order. One thread uses it."""

    def __init__(self) -> None:
        self._tracks: dict[Partition, _Track] = {}

    def deliver(self, partition: Partition, offset: int, epoch: int) -> None:
        """Notes an offset that was handed to the worker; offsets grow within an epoch."""
        track = self._tracks.get(partition)
        if track is None or track.epoch != epoch:
            track = self._tracks[partition] = _Track(epoch)
        if track.order and offset <= track.order[-1]:
            raise ValueError(f"{partition}: offset {offset} after {track.order[-1]}")
        track.order.append(offset)

    def finish(self, partition: Partition, offset: int, epoch: int) -> None:
        """Notes that nothing of this offset can be lost any more."""
        track = self._tracks.get(partition)
        if track is None or track.epoch != epoch:
            return
        track.done.add(offset)
        while track.order and track.order[0] in track.done:
            finished = track.order.popleft()
            track.done.discard(finished)
            track.position = finished + 1
            track.is_news = True

    def give_up(self, partition: Partition) -> None:
        """One delivered offset will never be finished here; its next owner reads it again."""
        if partition in self._tracks:
            self._tracks[partition].given_up += 1

    def news(self) -> dict[Partition, int]:
        """Positions that moved since the last call: what to commit now."""
        moved: dict[Partition, int] = {}
        for partition, track in self._tracks.items():
            if track.is_news and track.position is not None:
                moved[partition] = track.position
                track.is_news = False
        return moved

    def position(self, partition: Partition) -> int | None:
        """What may be committed of a partition, committed before or not."""
        track = self._tracks.get(partition)
        return track.position if track else None

    def unfinished(self, partition: Partition) -> int:
        """Delivered offsets that this worker still works on."""
        track = self._tracks.get(partition)
        return len(track.order) - len(track.done) - track.given_up if track else 0

    def forget(self, partition: Partition) -> None:
        """The partition belongs to another worker now."""
        self._tracks.pop(partition, None)
