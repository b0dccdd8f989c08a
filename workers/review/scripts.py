"""The queue's Lua scripts: loaded from their files, called by digest, errors mapped."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from workers.errors import ConfigurationRejected, QueueUnavailable
from workers.redaction import redacted
from workers.settings import RedisSettings

TRANSIENT: Final = (
    ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OutOfMemoryError,
)  # fmt: skip
TAKES_VERDICTS: Final = frozenset({"decide", "bulk", "undo"})


@cache
def script_text(name: str) -> str:
    """A script with what it calls in front."""
    folder = files("workers.review") / "lua"
    parts = ("prelude", "settle", name) if name in TAKES_VERDICTS else ("prelude", name)
    return "".join((folder / f"{part}.lua").read_text() for part in parts)


@cache
def script_digest(name: str) -> str:
    return hashlib.sha1(script_text(name).encode(), usedforsecurity=False).hexdigest()


def connect(settings: RedisSettings) -> redis.Redis:
    """A client that never retries by itself: a hidden retry after a lost reply doubles writes.

    Raises:
        ConfigurationRejected: The address is none.
    """
    timeout_s = settings.timeout.total_seconds()
    try:
        return redis.Redis.from_url(
            settings.url.get_secret_value(),
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=3,
        )
    except ValueError as error:
        raise ConfigurationRejected(
            f"FLAGPOST_REDIS_URL: got {redacted(settings.url.get_secret_value())!r}, expected an "
            "address such as redis://user:password@host:6379/0, rediss://... or unix://..."
        ) from error


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Redis' errors as ours.

    Raises:
        QueueUnavailable: The same call may work later.
        ConfigurationRejected: It never will, as things are set.
    """
    try:
        yield
    except AuthenticationError as error:
        raise ConfigurationRejected(_refused_text(error)) from error
    except TRANSIENT as error:
        raise QueueUnavailable(f"Redis: {error}") from error
    except RedisError as error:
        if str(error).startswith(("NOPERM", "WRONGPASS", "NOAUTH")):
            raise ConfigurationRejected(_refused_text(error)) from error
        raise QueueUnavailable(f"Redis: {error}") from error


def _refused_text(error: RedisError) -> str:
    """What a server that wants another user or password means, in words for people."""
    text = str(error)
    if "HELLO must be called" in text or text.startswith("NOAUTH"):
        text = "it wants a password, and the address has none"
    return f"Redis: {text}; check user and password in FLAGPOST_REDIS_URL"


def run_all(
    client: redis.Redis, name: str, keys: Sequence[str], calls: Sequence[Sequence[Any]]
) -> list[Any]:
    """Runs one script once for each list of arguments, in one round trip.

    A server that lost its script cache gets the script again, and all calls are repeated: every
    script of the queue may be called twice.
    """
    with mapped_errors():
        try:
            return _run_all(client, name, keys, calls)
        except NoScriptError:
            client.script_load(script_text(name))
            return _run_all(client, name, keys, calls)


def _run_all(
    client: redis.Redis, name: str, keys: Sequence[str], calls: Sequence[Sequence[Any]]
) -> list[Any]:
    pipe = client.pipeline(transaction=False)
    for arguments in calls:
        pipe.evalsha(script_digest(name), len(keys), *keys, *arguments)
    replies = pipe.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, NoScriptError | OutOfMemoryError):
            raise reply
        if isinstance(reply, ResponseError) and "OOM" in str(reply):
            raise OutOfMemoryError(str(reply))
        if isinstance(reply, RedisError):
            raise reply
    return replies
