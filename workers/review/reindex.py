"""Brings what is counted and found by up to date, page by page, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import redis

from workers.review.scripts import mapped_errors, run_all

LAYOUT: Final = 2
"""Of the keys beside the flags' hashes; an older queue is brought up to date once."""
PAGE: Final = 200


def bring_up_to_date(client: redis.Redis, prefix: str) -> int:
    """Indexes every flag of a queue that an earlier version filled; how many there were.

    Raises:
        QueueUnavailable: Redis does not answer. Call again: what was done changes nothing.
    """
    with mapped_errors():
        if client.hget(f"{prefix}totals", "layout") == str(LAYOUT).encode():
            return 0
        hashes = client.scan_iter(match=f"{_escaped(prefix)}f:*", count=1000)
        done = reindex(client, prefix, (key.decode().removeprefix(f"{prefix}f:") for key in hashes))
        run_all(client, "reindex", [prefix], [[LAYOUT]])
    return done


def redate(client: redis.Redis, prefix: str) -> int:
    """Dates every flag that is not decided anew, after the policies changed; how many.

    Raises:
        QueueUnavailable: Redis does not answer.
    """
    with mapped_errors():
        return reindex(client, prefix, _undecided(client, prefix))


def reindex(client: redis.Redis, prefix: str, flag_ids: Iterable[str]) -> int:
    """Indexes these flags; how many of them there are."""
    done, rest = 0, iter(flag_ids)
    while page := list(islice(rest, PAGE)):
        done += int(run_all(client, "reindex", [prefix], [["", *page]])[0])
    return done


def _undecided(client: redis.Redis, prefix: str) -> Iterator[str]:
    for name in ("ready", "escalated", "handed", "leased", "parked"):
        entries: Any = client.zscan_iter(prefix + name, count=1000)
        for flag_id, _ in entries:
            yield flag_id.decode()


def _escaped(prefix: str) -> str:
    """A prefix as a pattern that matches itself alone."""
    return "".join(f"\\{sign}" if sign in "*?[]^\\" else sign for sign in prefix)
