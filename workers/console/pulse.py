"""What every open page shows, read once every few seconds per process however many ask."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from workers.console.local import LocalPeople
from workers.console.people import Person, Right, Role
from workers.console.sessions import Sessions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    value: T
    at_s: float


class Kept(Generic[T]):
    """A value that is read anew when it is older than `fresh`. Any thread may ask; one reads.

    Meanwhile the others go on with what there is: fifty pages must not wait for one reading.
    """

    def __init__(
        self,
        read: Callable[[], T],
        fresh: timedelta,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._clock = clock
        self._fresh_s = fresh.total_seconds()
        self._reading = threading.Lock()
        self._last: _Reading[T] | None = None

    def value(self, anew: bool = False) -> T:
        """At most twice `fresh` old; raises what reading raises: an old value would be a lie."""
        last = self._last
        age_s = math.inf if last is None or anew else self._clock() - last.at_s
        if last is not None and age_s <= self._fresh_s:
            return last.value
        must_wait = age_s > 2 * self._fresh_s
        if not self._reading.acquire(blocking=must_wait) and last is not None:
            return last.value
        try:
            return self._read_by_one(last, anew)
        finally:
            self._reading.release()

    def _read_by_one(self, seen: _Reading[T] | None, anew: bool) -> T:
        last = self._last
        if last is not None and last is not seen and not anew:
            return last.value  # somebody read it while this one waited
        try:
            self._last = _Reading(self._read(), self._clock())
        except Exception:
            self._last = None
            raise
        return self._last.value


def reviewers(people: LocalPeople, sessions: Sessions) -> frozenset[str]:
    """Names that a flag can be handed to: everybody known here, or signed in, who may review."""
    known = {entry.name: entry.roles for entry in sessions.signed_in()}
    known |= {entry.name: entry.roles for entry in people.all()}
    return frozenset(name for name, roles in known.items() if _reviews(roles))


def _reviews(roles: frozenset[Role]) -> bool:
    return Person("-", roles).may(Right.REVIEW)
