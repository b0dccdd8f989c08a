"""One-time sign-in links: signed, short-lived, good for one use and until the person is revoked."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer

from workers.console.people import Role, checked_name, known_roles
from workers.errors import WorkerError
from workers.review.scripts import connect, mapped_errors
from workers.settings import RedisSettings

LONGEST: Final = timedelta(days=1)


class LinkRefused(WorkerError):
    """A link does not sign anybody in; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Link:
    """Whom a link signs in."""

    name: str
    roles: frozenset[Role]
    number: str


class OneTimeLinks:
    """Makes and uses links. Every process with the same secret and Redis knows the same ones."""

    def __init__(self, secret: bytes, redis: RedisSettings) -> None:
        self._serializer = URLSafeTimedSerializer(secret, salt=b"sign-in link")
        self._redis = connect(redis)
        self._prefix = f"fq:{{{redis.queue}}}:console:"

    def make(self, name: str, roles: Iterable[Role], lifetime: timedelta) -> str:
        """A token that signs `name` in once.

        Raises:
            ConfigurationRejected: The name is unfit.
            QueueUnavailable: Redis does not answer.
        """
        number = secrets.token_urlsafe(12)
        lifetime_s = min(lifetime, LONGEST).total_seconds()
        issue = self._issue(checked_name(name))
        return str(self._serializer.dumps([number, name, sorted(roles), lifetime_s, issue]))

    def read(self, token: str) -> Link:
        """Whom a link would sign in, without using it.

        Raises:
            LinkRefused: It was not made here, its time is over, or the person was revoked.
        """
        try:
            kept, made_at = self._serializer.loads(token, return_timestamp=True)
            number, name, roles, lifetime_s, issue = kept
        except (BadData, ValueError, TypeError) as error:
            raise LinkRefused("This link was not made here, or was cut short.") from error
        if time.time() - made_at.timestamp() > lifetime_s:
            raise LinkRefused("This link's time is over. Ask for a new one.")
        if issue != self._issue(name):
            raise LinkRefused("This link was withdrawn. Ask for a new one.")
        with mapped_errors():
            used: Any = self._redis.exists(self._used(number))
        if used:
            raise LinkRefused("This link was used before; each works once. Ask for a new one.")
        return Link(name, known_roles(roles), number)

    def use(self, token: str) -> Link:
        """Signs in once; the second of two uses at the same moment is refused.

        Raises:
            LinkRefused: As `read`.
        """
        link = self.read(token)
        with mapped_errors():
            first = self._redis.set(self._used(link.number), 1, ex=LONGEST, nx=True)
        if not first:
            raise LinkRefused("This link was used before; each works once. Ask for a new one.")
        return link

    def is_used(self, token: str) -> bool:
        try:
            self.read(token)
        except LinkRefused:
            return True
        return False

    def close(self) -> None:
        self._redis.close()

    def _issue(self, name: str) -> int:
        """How often the person was revoked; a link of an earlier count is spoilt."""
        with mapped_errors():
            found: Any = self._redis.get(f"{self._prefix}links-of:{name}")
        return int(found or 0)

    def _used(self, number: str) -> str:
        return f"{self._prefix}link-used:{number}"
