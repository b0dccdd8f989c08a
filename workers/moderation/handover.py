"""Hand-over: partitions that leave this worker wait, for a bounded time, until their work is done.

They leave when the group moves them, and all of them at the end (SIGTERM). A thread of the Kafka
client asks and waits; the worker's loop does the work. What is not done in time is left to the next
owner: its effect is stored once, whoever stores it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from workers.moderation.source import Positions
from workers.moderation.watermark import Partition

HAND_OVER_S: Final = 3.0
"""How long a partition that moves away may wait for its work; a slow one stalls the group."""
_GRACE_S: Final = 1.0
"""How much longer the client waits for a loop that is in the middle of something."""


class OpenWork(Protocol):
    """What a worker has in hand of its partitions; called by its loop."""

    def give_up_waiting(self, partitions: frozenset[Partition]) -> None:
        """Drops what nobody has begun; the next owner reads it again."""
        ...

    def is_unfinished(self, partitions: frozenset[Partition]) -> bool:
        """Something of them that was begun is not done yet."""
        ...

    def let_go(self, partitions: frozenset[Partition]) -> Positions:
        """Forgets them; returns what may be committed."""
        ...


@dataclass(slots=True, eq=False)
class _Request:
    partitions: frozenset[Partition]
    deadline_s: float
    answered: threading.Event = field(default_factory=threading.Event)
    positions: Positions = field(default_factory=dict)
    is_begun: bool = False


class HandOver:
    """Where the client's thread and the worker's loop meet.

    Args:
        wake: Makes the loop turn now.
        limit_s: How long unfinished work is waited for, in seconds.
    """

    def __init__(self, wake: Callable[[], None], limit_s: float = HAND_OVER_S) -> None:
        self._wake = wake
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._request: _Request | None = None
        self._is_closed = False

    def drain(self, partitions: frozenset[Partition]) -> Positions:
        """Waits until work of these partitions is done or late; called by the Kafka client.

        Returns:
            What to commit before they go; nothing where the loop did not answer.
        """
        request = _Request(partitions, time.monotonic() + self._limit_s)
        with self._lock:
            if self._is_closed:
                return {}
            self._request = request
        self._wake()
        request.answered.wait(self._limit_s + _GRACE_S)
        with self._lock:
            # An answer after this would let go of partitions that may have come back meanwhile.
            if self._request is request:
                self._request = None
        return request.positions

    def serve(self, work: OpenWork) -> None:
        """One turn of the loop: begins what was asked for, ends what is done or late."""
        with self._lock:
            request = self._request
            if request is None:
                return
            if not request.is_begun:
                request.is_begun = True
                work.give_up_waiting(request.partitions)
            is_late = time.monotonic() > request.deadline_s
            if is_late or not work.is_unfinished(request.partitions):
                request.positions = work.let_go(request.partitions)
                self._request = None
                request.answered.set()

    def close(self) -> None:
        """The loop has ended: nobody serves any more, so nobody may wait."""
        with self._lock:
            self._is_closed = True
            if self._request is not None:
                self._request.answered.set()
                self._request = None
