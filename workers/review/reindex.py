"""Brings what is counted and found by up to date, page by page, so that nobody waits for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

import redis

from workers.review.scripts import mapped_errors, run_all

LAYOUT: Final = 2
"""The prelude's: of the keys beside the flags' hashes. An older queue is brought up once."""
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
        flag_ids = (key.decode().removeprefix(f"{prefix}f:") for key in hashes)
        done = _in_pages(client, prefix, "reindex", flag_ids, "")
        run_all(client, "reindex", [prefix], [[1]])
    return done


def redate(client: redis.Redis, prefix: str) -> int:
    """Dates flags that are not decided anew, after the policies changed; how many moved.

    Raises:
        QueueUnavailable: Redis does not answer.
    """
    with mapped_errors():
        return _in_pages(client, prefix, "redate", _undecided(client, prefix))


def _in_pages(
    client: redis.Redis, prefix: str, script: str, flag_ids: Iterable[str], *first: str
) -> int:
    """Runs a script over pages of flags, between which others get their turn."""
    done, rest = 0, iter(flag_ids)
    while page := list(islice(rest, PAGE)):
        done += int(run_all(client, script, [prefix], [[*first, *page]])[0])
    return done


def _undecided(client: redis.Redis, prefix: str) -> Iterator[str]:
    for name in ("ready", "escalated", "handed", "leased", "parked"):
        entries: Any = client.zscan_iter(prefix + name, count=1000)
        for flag_id, _ in entries:
            yield flag_id.decode()


def _escaped(prefix: str) -> str:
    """A prefix as a pattern that matches itself alone."""
    return "".join(f"\\{sign}" if sign in "*?[]^\\" else sign for sign in prefix)
