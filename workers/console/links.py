"""One-time sign-in links: signed, short, good for one use and until the person is revoked.

The address holds a signed number; whom it signs in is kept in Redis, which also ends it in time.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from itsdangerous import BadSignature, Signer

from workers.console.people import Role, checked_name, known_roles
from workers.errors import WorkerError
from workers.review.scripts import connect, mapped_errors
from workers.settings import RedisSettings

LONGEST: Final = timedelta(days=1)
NUMBER_BYTES: Final = 12
PATH: Final = "/in/"


class LinkRefused(WorkerError):
    """A link does not sign anybody in; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Link:
    """Whom a link signs in."""

    name: str
    roles: frozenset[Role]


class OneTimeLinks:
    """Makes and uses links. Every process with the same secret and Redis knows the same ones."""

    def __init__(self, secret: bytes, redis: RedisSettings) -> None:
        self._signer = Signer(secret, salt=b"sign-in link")
        self._redis = connect(redis)
        self._prefix = f"fq:{{{redis.queue}}}:console:"

    def make(self, name: str, roles: Iterable[Role], lifetime: timedelta) -> str:
        """A token that signs `name` in once; its address is the console's with PATH before it.

        Raises:
            ConfigurationRejected: The name is unfit.
            QueueUnavailable: Redis does not answer.
        """
        number = secrets.token_urlsafe(NUMBER_BYTES)
        kept = {"name": checked_name(name), "roles": sorted(roles), "issue": self._issue(name)}
        ends_in_ms = max(1, round(min(lifetime, LONGEST) / timedelta(milliseconds=1)))
        with mapped_errors():
            self._redis.set(self._link(number), json.dumps(kept), px=ends_in_ms)
        return self._signer.sign(number).decode()

    def use(self, token: str) -> Link:
        """Signs in once; the second of two uses at the same moment is refused.

        Raises:
            LinkRefused: It was not made here, was used, its time is over, or its person revoked.
            QueueUnavailable: Redis does not answer; the link is good as before.
        """
        number = self._number(token)
        with mapped_errors():
            pipe = self._redis.pipeline(transaction=False)
            pipe.getdel(self._link(number))
            pipe.get(self._used(number))
            pipe.set(self._used(number), 1, ex=LONGEST)
            text, used, _ = pipe.execute()
        if text is None:
            raise LinkRefused(_gone(bool(used)))
        kept = json.loads(text)
        if kept["issue"] != self._issue(kept["name"]):
            raise LinkRefused("This link was withdrawn. Ask for a new one.")
        return Link(kept["name"], known_roles(kept["roles"]))

    def is_open(self, token: str) -> bool:
        """Whether a link still waits to be used; looking uses nothing up."""
        with mapped_errors():
            return bool(self._redis.exists(self._link(self._number(token))))

    def close(self) -> None:
        self._redis.close()

    def _number(self, token: str) -> str:
        try:
            return self._signer.unsign(token).decode()
        except BadSignature as error:
            raise LinkRefused("This link was not made here, or was cut short.") from error

    def _issue(self, name: str) -> int:
        """How often the person was revoked; a link of an earlier count is spoilt."""
        with mapped_errors():
            found: Any = self._redis.get(f"{self._prefix}links-of:{name}")
        return int(found or 0)

    def _link(self, number: str) -> str:
        return f"{self._prefix}link:{number}"

    def _used(self, number: str) -> str:
        return f"{self._prefix}link-used:{number}"


def _gone(used: bool) -> str:
    if used:
        return "This link was used before; each works once. Ask for a new one."
    return "This link's time is over. Ask for a new one."
