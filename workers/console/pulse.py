"""What every open page shows, read once every few seconds per process however many ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from workers.console.local import LocalPeople
from workers.console.people import Person, Right, Role
from workers.console.sessions import Sessions

T = TypeVar("T")


class Kept(Generic[T]):
    """A value that is read anew when it is older than `fresh`. Any thread may ask; one reads."""

    def __init__(self, read: Callable[[], T], fresh: timedelta) -> None:
        self._read = read
        self._fresh_s = fresh.total_seconds()
        self._reading = threading.Lock()
        self._last: list[T] = []
        self._read_s = 0.0

    def value(self, anew: bool = False) -> T:
        """At most `fresh` old; raises what reading raises, for an old value would be a lie."""
        with self._reading:
            if anew or not self._last or time.monotonic() - self._read_s > self._fresh_s:
                self._last = []
                self._last = [self._read()]
                self._read_s = time.monotonic()
            return self._last[0]


def reviewers(people: LocalPeople, sessions: Sessions) -> frozenset[str]:
    """Names that a flag can be handed to: everybody known here, or signed in, who may review."""
    known = {entry.name: entry.roles for entry in sessions.signed_in()}
    known |= {entry.name: entry.roles for entry in people.all()}
    return frozenset(name for name, roles in known.items() if _reviews(roles))


def _reviews(roles: frozenset[Role]) -> bool:
    return Person("-", roles).may(Right.REVIEW)
