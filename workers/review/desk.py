"""The reviewers' side of the queue: claim, renew, decide, skip, release, move, park, undo.

Hand-out is at least once, a decision effectively once: what fences it is the epoch of the claim,
tested inside the script, not the lease.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from schemas.decisions import Decision
from schemas.flags import Flag
from schemas.frames import Identifier, capture_time
from workers.review.answers import Answer, FlagState, Lease, LeaseState, Pool
from workers.review.bulk import BulkDecision
from workers.review.scripts import connect, mapped_errors, run_all
from workers.settings import RedisSettings

__all__ = ["Answer", "BulkDecision", "FlagState", "Lease", "LeaseState", "Pool", "ReviewDesk"]

LEASE: Final = timedelta(minutes=3)
HOLD: Final = timedelta(minutes=30)
LEASE_CAP: Final = timedelta(hours=1)
UNDO_WINDOW: Final = timedelta(seconds=10)
PARK_AFTER_EXPIRIES: Final = 5
PARK_AFTER_SKIPS: Final = 5
CANDIDATES: Final = 50
"""How many of a pool a claim looks at in one go, past those that the reviewer may not get."""
FOR_ALL: Final = (Pool.READY,)
_PERSON: Final = TypeAdapter(Identifier)


class ReviewDesk:
    """One reviewer-facing client; safe for several threads, as redis-py's pool is.

    Every method raises QueueUnavailable where Redis does not answer: never to be shown as an empty
    queue. `may` names the pools whose flags the person may decide; the caller knows their roles.
    """

    def __init__(self, settings: RedisSettings, second_review_share: float = 0.0) -> None:
        """`second_review_share` of flags, chosen by a hash of their id, get two verdicts."""
        self._redis = connect(settings)
        self._prefix = f"fq:{{{settings.queue}}}:"
        self._share = second_review_share

    def claim(
        self,
        reviewer: str,
        lease: timedelta = LEASE,
        pools: Sequence[str] = FOR_ALL,
        without: Collection[str] = frozenset(),
    ) -> Lease | None:
        """The flag that is due first, or the one the reviewer already holds; None if none waits.

        Flags moved to this person come before those of `pools`; those of the policies in `without`
        are never given.
        """
        tried = [f"to:{reviewer}", *pools]
        limits = (PARK_AFTER_EXPIRIES, CANDIDATES, _ms(LEASE_CAP))
        return _lease(
            self._run("claim", reviewer, _ms(lease), *limits, len(tried), *tried, *without)
        )

    def held_by(self, reviewer: str) -> Lease | None:
        """What the reviewer holds now; claims nothing."""
        return _lease(self._run("held", reviewer))

    def lease_of(self, flag_id: str) -> LeaseState | None:
        """Who has a flag now; None if there is no such flag."""
        pipe = self._redis.pipeline(transaction=False)  # MULTI is refused when memory is full
        pipe.hmget(f"{self._prefix}f:{flag_id}", ["state", "owner", "epoch", "decided_by"])
        pipe.zscore(f"{self._prefix}leased", flag_id)
        with mapped_errors():
            (state, owner, epoch, decided_by), ends_ms = pipe.execute()
        if state is None:
            return None
        return LeaseState(
            state=FlagState(state.decode()),
            owner=owner.decode() if owner else None,
            epoch=int(epoch),
            ends_at=None if ends_ms is None else capture_time(float(ends_ms) / 1000),
            decided_by=decided_by.decode() if decided_by else None,
        )

    def renew(
        self, flag_id: str, reviewer: str, epoch: int, lease: timedelta = LEASE
    ) -> datetime | None:
        """Extends a lease (`HOLD` for a consultation); its new end, or None if it is lost."""
        reply = self._run("renew", flag_id, reviewer, epoch, _ms(lease), _ms(LEASE_CAP))
        return capture_time(int(reply[1]) / 1000) if len(reply) > 1 else None

    def decide(self, decision: Decision, may: Collection[str] = FOR_ALL) -> Answer:
        """Records a verdict; the same request of the same reviewer twice is one."""
        return self._answer("decide", *self._verdict(decision, may))

    def decide_bulk(self, bulk: BulkDecision, may: Collection[str] = FOR_ALL) -> dict[str, Answer]:
        """One verdict on flags of one stream, each with its own log entry and its own answer.

        What somebody looks at is left alone (HELD), and so is what was claimed since (STALE).
        """
        pipe = self._redis.pipeline(transaction=False)
        for flag_id in bulk.flag_ids:
            pipe.hget(f"{self._prefix}f:{flag_id}", "epoch")
        with mapped_errors():
            found = pipe.execute()
        epochs = {
            flag_id: int(epoch)
            for flag_id, epoch in zip(bulk.flag_ids, found, strict=True)
            if epoch is not None
        }
        decisions = bulk.decisions(epochs)
        calls = [[*self._verdict(decision, may), bulk.stream_id] for decision in decisions]
        replies = run_all(self._redis, "bulk", [self._prefix], calls) if calls else []
        answers = dict.fromkeys(bulk.flag_ids, Answer.MISSING)
        for decision, reply in zip(decisions, replies, strict=True):
            answers[decision.flag_id] = Answer(reply.decode())
        return answers

    def skip(self, flag_id: str, reviewer: str, epoch: int, because: str = "") -> Answer:
        """Hands a flag on; this reviewer is not offered it again."""
        return self._answer("skip", flag_id, reviewer, epoch, because, PARK_AFTER_SKIPS)

    def release(self, flag_id: str, reviewer: str, epoch: int, because: str = "") -> Answer:
        """Gives a flag back to its pool at its due time; this reviewer may get it again."""
        return self._answer("release", flag_id, reviewer, epoch, because)

    def release_all(self, reviewer: str, because: str = "session over") -> str | None:
        """Gives back what a reviewer holds, whatever its epoch; the flag's id, None if nothing."""
        reply = self._run("release_all", reviewer, because)
        return reply.decode() if reply else None

    def move(
        self,
        flag_id: str,
        pool: str,
        by: str,
        because: str = "",
        second_review: bool = False,
        epoch: int | None = None,
    ) -> Answer:
        """Moves a flag to a pool or a person (`to:NAME`).

        With an epoch `by` hands on what they hold; without, a supervisor moves any flag, also out
        of the parked ones.

        Raises:
            ValueError: There is no such pool.
        """
        return self._answer(
            "move", flag_id, _checked(pool), by, because, int(second_review), _epoch(epoch)
        )

    def park(self, flag_id: str, by: str, because: str, epoch: int | None = None) -> Answer:
        """Sets a flag aside for a supervisor; with an epoch, by the one who holds it."""
        return self._answer("park", flag_id, by, because, _epoch(epoch))

    def undo(
        self,
        flag_id: str,
        reviewer: str,
        window: timedelta = UNDO_WINDOW,
        may: Collection[str] = FOR_ALL,
    ) -> tuple[Answer, Lease | None]:
        """Takes an own verdict back, also an unsure one; with OK, the lease it is held under.

        The second of two verdicts is taken back with ESCALATED: whoever gave it may know the first
        one by then, so a senior decides.
        """
        reply = self._run(
            "undo", flag_id, reviewer, _ms(window), _ms(LEASE), int(Pool.ESCALATED in may)
        )
        answer = Answer(reply[0].decode())
        return answer, _lease(reply) if answer is Answer.OK else None

    def flag(self, flag_id: str) -> dict[str, str] | None:
        """Every field of a flag's hash, for tools; None if there is none.

        It holds verdicts that a second reviewer must not see: pages read `Board.record`.
        """
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

    def _verdict(self, decision: Decision, may: Collection[str]) -> list[object]:
        """The arguments that decide.lua and bulk.lua share."""
        return [
            decision.flag_id,
            decision.reviewer,
            decision.epoch,
            decision.verdict.value,
            decision.request_id,
            decision.model_dump_json(),
            self._share,
            int(Pool.ESCALATED in may),
        ]

    def _answer(self, script: str, *arguments: object) -> Answer:
        return Answer(self._run(script, *arguments).decode())

    def _run(self, script: str, *arguments: object) -> Any:
        return run_all(self._redis, script, [self._prefix], [arguments])[0]


def _lease(reply: Any) -> Lease | None:
    """The lease in a script's reply: (anything, epoch, end in ms, flag JSON)."""
    if not reply:
        return None
    _, epoch, ends_ms, text = reply
    return Lease(Flag.model_validate_json(text), int(epoch), capture_time(int(ends_ms) / 1000))


def _checked(pool: str) -> str:
    if pool in set(Pool):
        return pool
    try:
        _PERSON.validate_python(pool.removeprefix("to:"))
    except ValidationError:
        pass
    else:
        if pool.startswith("to:"):
            return pool
    raise ValueError(f"pool: got {pool!r}, expected ready, escalated or to:PERSON")


def _epoch(epoch: int | None) -> int | str:
    return "" if epoch is None else epoch


def _ms(duration: timedelta) -> int:
    return round(duration / timedelta(milliseconds=1))
