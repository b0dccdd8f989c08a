"""The reviewers' side of the queue: claim, renew, decide, skip, move, park, undo.

Hand-out is at least once, a decision effectively once: what fences it is the epoch of the claim,
tested inside the script, not the lease.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from schemas.decisions import Decision
from schemas.flags import Flag
from schemas.frames import capture_time
from workers.review.scripts import connect, mapped_errors, run_all
from workers.settings import RedisSettings

LEASE: Final = timedelta(minutes=3)
HOLD: Final = timedelta(minutes=30)
LEASE_CAP: Final = timedelta(hours=1)
UNDO_WINDOW: Final = timedelta(seconds=10)
PARK_AFTER_EXPIRIES: Final = 5
CANDIDATES: Final = 50
"""How many of a pool a claim looks at, past those that the reviewer skipped."""


class Pool(StrEnum):
    """Where flags wait; `to:<person>` is one more for each person."""

    READY = "ready"
    ESCALATED = "escalated"


class Answer(StrEnum):
    """What the queue says to an action."""

    OK = "ok"
    SECOND = "second"
    """Taken; another person looks too, without seeing this verdict."""
    ESCALATED = "escalated"
    """Unsure, or two verdicts that differ: a senior decides."""
    REPLAY = "replay"
    """The same request was taken before."""
    CONFLICT = "conflict"
    """Somebody else decided it."""
    STALE = "stale"
    """The claim is over; somebody else may hold it."""
    MISSING = "missing"
    DECIDED = "decided"
    NOT_DECIDED = "not-decided"
    NOT_YOURS = "not-yours"
    TOO_LATE = "too-late"
    EXPORTED = "exported"


@dataclass(frozen=True, slots=True)
class Lease:
    """A flag that a reviewer holds until `ends_at`; `epoch` goes into the decision."""

    flag: Flag
    epoch: int
    ends_at: datetime


class ReviewDesk:
    """One reviewer-facing client; safe for several threads, as redis-py's pool is."""

    def __init__(self, settings: RedisSettings, second_review_share: float = 0.0) -> None:
        """`second_review_share` of flags, chosen by a hash of their id, get two verdicts."""
        self._redis = connect(settings)
        self._prefix = f"fq:{{{settings.queue}}}:"
        self._share = second_review_share

    def claim(
        self, reviewer: str, lease: timedelta = LEASE, pools: Sequence[str] = (Pool.READY,)
    ) -> Lease | None:
        """The flag that is due first, or the one the reviewer already holds; None if none waits.

        Flags moved to this person come before those of `pools`.

        Raises:
            QueueUnavailable: Redis does not answer: never to be shown as an empty queue.
        """
        reply = self._run(
            "claim", reviewer, _ms(lease), PARK_AFTER_EXPIRIES, CANDIDATES, f"to:{reviewer}", *pools
        )
        if not reply:
            return None
        _, epoch, ends_ms, text = reply
        return Lease(Flag.model_validate_json(text), int(epoch), capture_time(int(ends_ms) / 1000))

    def renew(
        self, flag_id: str, reviewer: str, epoch: int, lease: timedelta = LEASE
    ) -> datetime | None:
        """Extends a lease (`HOLD` for a consultation); its new end, or None if it is lost."""
        reply = self._run("renew", flag_id, reviewer, epoch, _ms(lease), _ms(LEASE_CAP))
        return capture_time(int(reply[1]) / 1000) if len(reply) > 1 else None

    def decide(self, decision: Decision) -> Answer:
        """Records a verdict; the same request twice is one."""
        return self._answer(
            "decide",
            decision.flag_id,
            decision.reviewer,
            decision.epoch,
            decision.verdict.value,
            decision.request_id,
            decision.model_dump_json(),
            self._share,
        )

    def skip(self, flag_id: str, reviewer: str, epoch: int, because: str = "") -> Answer:
        return self._answer("skip", flag_id, reviewer, epoch, because)

    def move(
        self, flag_id: str, pool: str, by: str, because: str = "", second_review: bool = False
    ) -> Answer:
        """Moves a flag to a pool or a person (`to:NAME`), also out of the parked ones."""
        return self._answer("move", flag_id, pool, by, because, int(second_review))

    def park(self, flag_id: str, by: str, because: str) -> Answer:
        return self._answer("park", flag_id, by, because)

    def undo(
        self, flag_id: str, reviewer: str, window: timedelta = UNDO_WINDOW
    ) -> tuple[Answer, int]:
        """Takes an own decision back; with OK, the epoch under which it is held again."""
        reply = self._run("undo", flag_id, reviewer, _ms(window), _ms(LEASE))
        return Answer(reply[0].decode()), int(reply[1]) if len(reply) > 1 else 0

    def flag(self, flag_id: str) -> dict[str, str] | None:
        """Every field of a flag's hash, for people and tools; None if there is none."""
        with mapped_errors():
            found: dict[bytes, bytes] = self._redis.hgetall(f"{self._prefix}f:{flag_id}")  # type: ignore[assignment]
        return {name.decode(): text.decode() for name, text in found.items()} or None

    def waiting(self, pool: str = Pool.READY, limit: int = 50) -> list[tuple[str, datetime]]:
        """Flags of a pool and when they are due, the most urgent first."""
        with mapped_errors():
            found: Any = self._redis.zrange(self._prefix + pool, 0, limit - 1, withscores=True)
        return [(flag_id.decode(), capture_time(due / 1000)) for flag_id, due in found]

    def log(self, count: int = 100) -> list[dict[str, str]]:
        """The newest events, newest first."""
        with mapped_errors():
            entries: Any = self._redis.xrevrange(self._prefix + "log", count=count)
        return [
            {"at": entry_id.decode()} | {k.decode(): v.decode() for k, v in fields.items()}
            for entry_id, fields in entries
        ]

    def close(self) -> None:
        self._redis.close()

    def _answer(self, script: str, *arguments: object) -> Answer:
        return Answer(self._run(script, *arguments).decode())

    def _run(self, script: str, *arguments: object) -> Any:
        return run_all(self._redis, script, [self._prefix], [arguments])[0]


def _ms(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
