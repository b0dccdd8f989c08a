"""Sessions on the server: in Redis, under the digest of what the browser's cookie holds.

A session has two keys. One lives until the limit, whatever happens; the other until the session is
idle for too long. Both end on Redis' clock, so that no jump of ours lengthens a session.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from workers.console.people import Role, known_roles
from workers.review.desk import ReviewDesk
from workers.review.scripts import connect, mapped_errors
from workers.settings import ConsoleSettings, RedisSettings


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in of one person.

    Attributes:
        key: Digest of the cookie's value: names the session, opens nothing.
        name: Who.
        roles: Roles at sign-in; what counts now, the source of the roles says.
        title: Shown to the person.
        way: How they signed in: `link`, `local`, `oidc` or `proxy`.
        began_at: When.
    """

    key: str
    name: str
    roles: frozenset[Role]
    title: str
    way: str
    began_at: datetime


def session_key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()[:40]


class Sessions:
    """Opens, finds and ends sessions."""

    def __init__(self, redis: RedisSettings, settings: ConsoleSettings, desk: ReviewDesk) -> None:
        self._redis = connect(redis)
        self._prefix = f"fq:{{{redis.queue}}}:console:"
        self._idle_ms = round(settings.session_idle.total_seconds() * 1000)
        self._limit_ms = round(settings.session_limit.total_seconds() * 1000)
        self._desk = desk

    def open(self, name: str, roles: Iterable[Role], title: str, way: str) -> str:
        """Starts a session; returns the secret that goes into the cookie."""
        token = secrets.token_urlsafe(32)
        key = session_key(token)
        kept = {
            "name": name,
            "roles": sorted(roles),
            "title": title,
            "way": way,
            "began_at": datetime.now(UTC).isoformat(),
        }
        with mapped_errors():
            pipe = self._redis.pipeline()
            pipe.set(self._session(key), json.dumps(kept), px=self._limit_ms)
            pipe.set(self._awake(key), 1, px=self._idle_ms)
            pipe.sadd(self._of(name), key)
            pipe.pexpire(self._of(name), self._limit_ms)
            pipe.sadd(self._prefix + "signed-in", name)
            pipe.execute()
        return token

    def find(self, token: str, wakes: bool = True) -> Session | None:
        """The session behind a cookie, kept awake where somebody acts; None if it ended.

        Raises:
            QueueUnavailable: Redis does not answer, so nobody knows.
        """
        key = session_key(token)
        with mapped_errors():
            pipe = self._redis.pipeline(transaction=False)
            pipe.get(self._session(key))
            if wakes:
                # PEXPIRE needs no memory: people at work can empty a queue that filled Redis.
                pipe.pexpire(self._awake(key), self._idle_ms)
            else:
                pipe.exists(self._awake(key))
            text, awake = pipe.execute()
        return _session_from(key, text) if text and awake else None

    def is_live(self, key: str) -> bool:
        """Whether a session still stands, without keeping it awake: for long answers."""
        with mapped_errors():
            return self._redis.exists(self._session(key), self._awake(key)) == 2

    def of(self, name: str) -> tuple[Session, ...]:
        """The live sessions of one person."""
        return self._of_all([name])[name]

    def signed_in(self) -> tuple[Session, ...]:
        """Every live session, by name; in three round trips, however many there are."""
        with mapped_errors():
            members: Any = self._redis.smembers(self._prefix + "signed-in")
        found = self._of_all(sorted(member.decode() for member in members))
        gone = [name for name, live in found.items() if not live]
        if gone:
            with mapped_errors():
                self._redis.srem(self._prefix + "signed-in", *gone)
        return tuple(session for live in found.values() for session in live)

    def _of_all(self, names: Sequence[str]) -> dict[str, tuple[Session, ...]]:
        with mapped_errors():
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                pipe.smembers(self._of(name))
            keys = [sorted(member.decode() for member in members) for members in pipe.execute()]
            for key in itertools.chain.from_iterable(keys):
                pipe.get(self._session(key))
                pipe.exists(self._awake(key))
            replies = iter(pipe.execute())
        return {
            name: tuple(
                _session_from(key, text)
                for key, text, awake in zip(own, replies, replies, strict=False)
                if text and awake
            )
            for name, own in zip(names, keys, strict=True)
        }

    def close(self, session: Session) -> str | None:
        """Ends one session. The last one of a person gives back the flag they hold: its id."""
        with mapped_errors():
            # No MULTI: with its memory used up, Redis takes none, and this must still work.
            pipe = self._redis.pipeline(transaction=False)
            pipe.delete(self._session(session.key), self._awake(session.key))
            pipe.srem(self._of(session.name), session.key)
            pipe.execute()
        return None if self.of(session.name) else self._desk.release_all(session.name)

    def revoke(self, name: str) -> tuple[int, str | None]:
        """Ends every session of a person, spoils their unused links, gives back what they hold.

        Returns:
            How many sessions ended, and the id of the flag given back.
        """
        with mapped_errors():
            members: Any = self._redis.smembers(self._of(name))
            keys = [member.decode() for member in members]
            pipe = self._redis.pipeline(transaction=False)
            for key in keys:
                pipe.delete(self._session(key), self._awake(key))
            pipe.delete(self._of(name))
            gone = pipe.execute()[:-1]
        released = self._desk.release_all(name)
        with mapped_errors():
            # Last, because it is the one write that needs memory.
            self._redis.incr(self._prefix + f"links-of:{name}")
        return sum(1 for count in gone if count), released

    def stop(self) -> None:
        self._redis.close()

    def _session(self, key: str) -> str:
        return f"{self._prefix}session:{key}"

    def _awake(self, key: str) -> str:
        return f"{self._prefix}awake:{key}"

    def _of(self, name: str) -> str:
        return f"{self._prefix}sessions-of:{name}"


def _session_from(key: str, text: bytes) -> Session:
    kept = json.loads(text)
    return Session(
        key,
        kept["name"],
        known_roles(kept["roles"]),
        kept["title"],
        kept["way"],
        datetime.fromisoformat(kept["began_at"]),
    )
