"""Plays channels in real time: each segment is published when its last frame has been captured."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.frames import FrameMessage
from schemas.truth import AmbiguousSpan, TrueIncident
from workers.simulate.channel import Channel, Truth
from workers.simulate.truth_log import TruthLog

TICK_S = 0.25


class FrameTopic(Protocol):
    """Where frame messages go; `publish` blocks while there is no room."""

    def publish(self, message: FrameMessage) -> None: ...


@dataclass(slots=True)
class Tally:
    """What has been broadcast so far."""

    played_s: float = 0.0
    """Of the channel that is furthest."""
    segments: int = 0
    media_bytes: int = 0
    incidents: int = 0
    ambiguous: int = 0
    latest_s: float = 0.0
    """By how much the latest segment missed its time."""


class Broadcast:
    """Plays channels until their time is over or someone asks to stop.

    Args:
        channels: Streams; each is ended with its closing message.
        frames: Takes the messages.
        truth: Is told each incident when it has ended.
        fast: Publish as fast as the topic takes it, instead of in real time.
        between: Called a few times a second, from the same thread.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        frames: FrameTopic,
        truth: TruthLog,
        *,
        fast: bool = False,
        between: Callable[[Tally], None] = lambda tally: None,
    ) -> None:
        self.tally = Tally()
        self._channels = channels
        self._frames = frames
        self._truth = truth
        self._fast = fast
        self._between = between
        self._begun = time.perf_counter()
        self._last_between = 0.0

    def run(self, stopping: threading.Event, duration_s: float | None = None) -> Tally:
        """Plays; returns what was broadcast.

        Args:
            stopping: Set it to end all streams after their current segment.
            duration_s: Of each stream, up to one segment more; endless where None.
        """
        self._begun = time.perf_counter()
        # Streams of different people do not cut at the same instant.
        apart_s = 1.0 / max(1, len(self._channels))
        queue = [(i * apart_s + c.next_end_s, i, c) for i, c in enumerate(self._channels)]
        heapq.heapify(queue)
        while queue and self._wait_until(queue[0][0], stopping):
            _, index, channel = heapq.heappop(queue)
            self._publish(channel)
            if duration_s is None or channel.position_s < duration_s:
                heapq.heappush(queue, (index * apart_s + channel.next_end_s, index, channel))
        for channel in self._channels:
            self._end(channel)
        return self.tally

    def _wait_until(self, due_s: float, stopping: threading.Event) -> bool:
        """Waits for a moment after the start; False when asked to stop before."""
        while True:
            self._between_segments()
            if stopping.is_set():
                return False
            left_s = due_s - (time.perf_counter() - self._begun)
            if self._fast or left_s <= 0:
                if not self._fast:
                    self.tally.latest_s = max(self.tally.latest_s, -left_s)
                return True
            stopping.wait(min(left_s, TICK_S))

    def _publish(self, channel: Channel) -> None:
        message = channel.next_message()
        self._frames.publish(message)
        self.tally.segments += 1
        self.tally.media_bytes += len(message.data)
        self.tally.played_s = max(self.tally.played_s, channel.position_s)
        self._tell(channel.truth_so_far())

    def _end(self, channel: Channel) -> None:
        truths, closing = channel.end()
        self._tell(truths)
        self._frames.publish(closing)

    def _between_segments(self) -> None:
        now = time.perf_counter()
        if now - self._last_between >= TICK_S:
            self._last_between = now
            self._between(self.tally)

    def _tell(self, truths: Sequence[Truth]) -> None:
        for truth in truths:
            self._truth.tell(truth)
            self.tally.incidents += isinstance(truth, TrueIncident)
            self.tally.ambiguous += isinstance(truth, AmbiguousSpan)
