"""The arena: encoded media in shared memory, written once, read by every child.

A ring without a name (memfd), so that nothing is left behind by `kill -9`. Media is kept after its
work is done until the room is needed: that is the pre-roll, bounded by the arena's size.
"""

from __future__ import annotations

import mmap
import os
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Where media lies: its serial number, first byte and length in bytes."""

    serial: int
    start: int
    length: int


class Arena:
    """First in, first overwritten. One thread of the owner writes; children only read."""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self.fd = os.memfd_create("flagpost-arena", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, size_bytes)
        self._memory = mmap.mmap(self.fd, size_bytes)
        self._order: deque[Span] = deque()
        self._live: dict[int, Span] = {}
        self._holds: dict[int, int] = {}
        self._head = 0
        self._serial = 0
        self.held_bytes = 0

    def put(self, data: bytes) -> Span | None:
        """Writes media and holds it; None where held media is in the way.

        Raises:
            ValueError: It is larger than the whole arena.
        """
        length = max(1, len(data))
        if length > self.size_bytes:
            raise ValueError(f"arena: got {length} bytes, room for {self.size_bytes} in all")
        start = self._head if self._head + length <= self.size_bytes else 0
        if not self._make_room(start, length):
            return None
        self._serial += 1
        span = Span(self._serial, start, len(data))
        self._memory[start : start + len(data)] = data
        self._order.append(span)
        self._live[span.serial] = span
        self._head = start + length
        self.hold(span)
        return span

    def hold(self, span: Span) -> bool:
        """Protects media from being overwritten once more; False if it already was."""
        if span.serial not in self._live:
            return False
        holds = self._holds.get(span.serial, 0)
        self._holds[span.serial] = holds + 1
        if not holds:
            self.held_bytes += span.length
        return True

    def release(self, span: Span) -> None:
        """Ends one hold; the media stays readable until its room is needed."""
        holds = self._holds.pop(span.serial)
        if holds > 1:
            self._holds[span.serial] = holds - 1
        else:
            self.held_bytes -= span.length

    def read(self, span: Span) -> bytes | None:
        """The media, or None if it was overwritten."""
        if span.serial not in self._live:
            return None
        return self._memory[span.start : span.start + span.length]

    def close(self) -> None:
        self._memory.close()
        os.close(self.fd)

    def _make_room(self, start: int, length: int) -> bool:
        """Forgets what lies in the way, oldest first, unless it is held.

        The ring is written in order, so what is in the way of the next write is always among the
        oldest: from the front of the queue to the last one that overlaps.
        """
        wraps = start == 0 and self._head > 0
        doomed = 0
        for number, span in enumerate(self._order, 1):
            behind_head = wraps and span.start >= self._head
            overlaps = span.start < start + length and start < span.start + max(1, span.length)
            if behind_head or overlaps:
                doomed = number
            elif doomed or not wraps:
                break
        if any(self._order[i].serial in self._holds for i in range(doomed)):
            return False
        for _ in range(doomed):
            del self._live[self._order.popleft().serial]
        return True
