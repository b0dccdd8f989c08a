"""Questions to Redis that are asked together: a page needs a dozen answers, and one round trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import redis
from redis.client import Pipeline

from workers.review.scripts import mapped_errors

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """Commands that `put` gives to a pipeline, and what `read` makes of their replies."""

    put: Callable[[Pipeline], object]
    read: Callable[[Sequence[Any]], T]


class RoundTrip:
    """Collects questions of any parts, then asks them all; for one thread."""

    def __init__(self, client: redis.Redis) -> None:
        self._pipe = client.pipeline(transaction=False)  # MULTI is refused when memory is full
        self._replies: list[Any] = []

    def ask(self, question: Question[T]) -> Callable[[], T]:
        """What to call for the answer, once `go` was called."""
        first = len(self._pipe)
        question.put(self._pipe)
        last = len(self._pipe)
        return lambda: question.read(self._replies[first:last])

    def go(self) -> None:
        """Raises QueueUnavailable where Redis does not answer."""
        with mapped_errors():
            self._replies = self._pipe.execute()


def answered(client: redis.Redis, question: Question[T]) -> T:
    """The answer to one question.

    Raises:
        QueueUnavailable: Redis does not answer.
    """
    trip = RoundTrip(client)
    answer = trip.ask(question)
    trip.go()
    return answer()
