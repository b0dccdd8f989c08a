"""The queue as it is seen from above: counts, who works on what, what is parked, what a stream had.

Reads only. Nothing here costs more with more flags waiting, and nothing shows a verdict of a flag
that is not decided: a second reviewer must not know the first one's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from redis.client import Pipeline

from schemas.decisions import Verdict
from schemas.flags import Flag, Severity
from schemas.frames import capture_time
from workers.review.answers import FlagState, Pool
from workers.review.reindex import bring_up_to_date
from workers.review.roundtrip import Question, answered
from workers.review.scripts import connect, mapped_errors, run_all
from workers.settings import RedisSettings

AGE_EDGES: Final = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
)
"""Waiting time that parts the age buckets: under the first, ..., over the last."""
SEVERITIES: Final = (Severity.HIGH, Severity.MEDIUM, Severity.LOW)
MOST_STREAMS: Final = 50


@dataclass(frozen=True, slots=True)
class BoardCounts:
    """Counts at one moment, on the server's clock.

    Attributes:
        at: The moment.
        ready: Flags that wait for any reviewer.
        leased: Flags that somebody looks at.
        lapsed: Flags whose lease ran out; the next claim puts them back where they wait.
        parked: Flags set aside for a supervisor.
        escalated: Flags that wait for a senior.
        handed: Flags that wait for one person.
        decided: Flags decided so far.
        overdue: Waiting flags of all pools past their due time.
        oldest_due: Due time of the most urgent waiting flag.
        ready_by_age: Of `ready`, by severity: how many wait for how long, split at AGE_EDGES.
    """

    at: datetime
    ready: int
    leased: int
    lapsed: int
    parked: int
    escalated: int
    handed: int
    decided: int
    overdue: int
    oldest_due: datetime | None
    ready_by_age: dict[Severity, tuple[int, ...]]

    @property
    def ready_by_severity(self) -> dict[Severity, int]:
        return {severity: sum(counts) for severity, counts in self.ready_by_age.items()}

    @property
    def most_overdue(self) -> timedelta | None:
        """By how much the most urgent waiting flag is late; None if nothing is."""
        if self.oldest_due is None or self.oldest_due >= self.at:
            return None
        return self.at - self.oldest_due


@dataclass(frozen=True, slots=True)
class Working:
    """One person with the flag that they hold."""

    reviewer: str
    flag_id: str
    stream_id: str
    since: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class FlagRecord:
    """A flag and where it is. `verdict` and `decided_by` are None until it is decided.

    Attributes:
        flag: The facts.
        state: Where it is on its way.
        pool: The pool in which it waits or waited: `ready`, `escalated` or `to:NAME`.
        severity: Under the policies in force when it was dated; sets `due`.
        is_escalated: Only a senior may decide it.
        second_wanted: Somebody asked for a second review.
        epoch: The newest claim.
        owner: Who holds it, or held it last and may still answer late.
        lease_ends_at: Until when it is held.
        due: When it should be decided at the latest.
        queued_at: When the queue got it.
        expiries: Leases that ran out since it was last set aside.
        parked_because: Why it is set aside.
        claimed_first_at: First time somebody took it.
        claimed_last_at: Last time somebody took it.
    """

    flag: Flag
    state: FlagState
    pool: str
    severity: Severity
    is_escalated: bool
    second_wanted: bool
    epoch: int
    owner: str | None
    lease_ends_at: datetime | None
    due: datetime
    queued_at: datetime
    expiries: int
    parked_because: str | None
    claimed_first_at: datetime | None
    claimed_last_at: datetime | None
    verdict: Verdict | None
    decided_by: str | None
    decided_at: datetime | None


class Board:
    """Safe for several threads. Every method raises QueueUnavailable if Redis does not answer."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = connect(settings)
        self._prefix = f"fq:{{{settings.queue}}}:"
        self._is_current = False

    def counts(self) -> BoardCounts:
        """What a queue holds, counted; costs the same for twenty flags and twenty thousand."""
        if not self._is_current:
            bring_up_to_date(self._redis, self._prefix)
            self._is_current = True
        edges = [round(edge / timedelta(milliseconds=1)) for edge in AGE_EDGES]
        call = [len(SEVERITIES), *SEVERITIES, *edges]
        now, *numbers = run_all(self._redis, "counts", [self._prefix], [call])[0]
        ready, leased, lapsed, *numbers = numbers
        parked, escalated, handed, decided, overdue, oldest, *ages = numbers
        width = len(edges) + 1
        return BoardCounts(
            at=capture_time(int(now) / 1000),
            ready=ready,
            leased=leased,
            lapsed=lapsed,
            parked=parked,
            escalated=escalated,
            handed=handed,
            decided=decided,
            overdue=overdue,
            oldest_due=_moment(oldest),
            ready_by_age={
                severity: tuple(ages[number * width : (number + 1) * width])
                for number, severity in enumerate(SEVERITIES)
            },
        )

    def working(self, limit: int = 200) -> tuple[Working, ...]:
        """Who holds what now, the lease that ends first coming first."""
        with mapped_errors():
            seconds, micros = self._redis.time()
            now_ms = seconds * 1000 + micros // 1000
            leased: Any = self._redis.zrangebyscore(
                f"{self._prefix}leased", f"({now_ms}", "+inf", 0, limit, withscores=True
            )
        held = [(flag_id.decode(), ends_ms) for flag_id, ends_ms in leased]
        found = self._fields([flag_id for flag_id, _ in held], "owner", "stream", "t_claim_last")
        return tuple(
            Working(owner.decode(), flag_id, stream.decode(), _at(since), capture_time(ends / 1000))
            for (flag_id, ends), (owner, stream, since) in zip(held, found, strict=True)
            if owner and stream and since
        )

    def waiting(
        self, pool: str = Pool.READY, offset: int = 0, limit: int = 50
    ) -> tuple[FlagRecord, ...]:
        """A page of a pool (also `handed`: what waits for one person), the most urgent first."""
        return self.records([flag_id for flag_id, _ in self._members(pool, offset, limit)])

    def parked(self, limit: int = 50) -> tuple[FlagRecord, ...]:
        """What was set aside, the longest first."""
        return self.records([flag_id for flag_id, _ in self._members("parked", 0, limit)])

    def of_stream(self, stream_id: str, limit: int = 50) -> tuple[FlagRecord, ...]:
        """A stream's flags, the newest first."""
        with mapped_errors():
            found: Any = self._redis.zrevrange(f"{self._prefix}stream:{stream_id}", 0, limit - 1)
        return self.records([flag_id.decode() for flag_id in found])

    def search(self, prefix: str, limit: int = 20) -> tuple[str, ...]:
        """Ids of streams with flags that begin with a text, in the order of the alphabet."""
        first = f"[{prefix}" if prefix else "-"
        last = b"[" + prefix.encode() + b"\xff" if prefix else b"+"
        with mapped_errors():
            found: Any = self._redis.zrangebylex(
                f"{self._prefix}streams",
                first,
                last,
                start=0,
                num=min(limit, MOST_STREAMS),
            )
        return tuple(stream_id.decode() for stream_id in found)

    def record(self, flag_id: str) -> FlagRecord | None:
        """A flag and where it is; None if there is none."""
        return answered(self._redis, self.ask(flag_id))

    def ask(self, flag_id: str) -> Question[FlagRecord | None]:
        """The same, to be asked with other questions."""
        found = self.ask_records([flag_id])
        return Question(found.put, lambda replies: next(iter(found.read(replies)), None))

    def records(self, flag_ids: Sequence[str]) -> tuple[FlagRecord, ...]:
        """Those of these flags that there are, in order, in one round trip."""
        return answered(self._redis, self.ask_records(flag_ids))

    def ask_records(self, flag_ids: Sequence[str]) -> Question[tuple[FlagRecord, ...]]:
        """The same, to be asked with other questions."""

        def put(pipe: Pipeline) -> None:
            for flag_id in flag_ids:
                pipe.hgetall(f"{self._prefix}f:{flag_id}")
                pipe.zscore(f"{self._prefix}leased", flag_id)

        return Question(put, _records)

    def close(self) -> None:
        self._redis.close()

    def _members(self, name: str, offset: int, limit: int) -> list[tuple[str, float]]:
        with mapped_errors():
            found: Any = self._redis.zrange(
                self._prefix + name, offset, offset + limit - 1, withscores=True
            )
        return [(flag_id.decode(), score) for flag_id, score in found]

    def _fields(self, flag_ids: Sequence[str], *names: str) -> list[Any]:
        pipe = self._redis.pipeline(transaction=False)
        for flag_id in flag_ids:
            pipe.hmget(f"{self._prefix}f:{flag_id}", names)
        with mapped_errors():
            return pipe.execute()


def _records(replies: Sequence[Any]) -> tuple[FlagRecord, ...]:
    pairs = zip(replies[::2], replies[1::2], strict=True)
    return tuple(_record(fields, ends_ms) for fields, ends_ms in pairs if b"json" in fields)


def _record(fields: dict[bytes, bytes], ends_ms: float | None) -> FlagRecord:
    text = {name.decode(): value.decode() for name, value in fields.items()}
    state = FlagState(text["state"])
    is_decided = state is FlagState.DECIDED
    return FlagRecord(
        flag=Flag.model_validate_json(fields[b"json"]),
        state=state,
        pool=text.get("pool", Pool.READY.value),
        severity=Severity(text["severity"]),
        is_escalated="escalated" in text,
        second_wanted="second_wanted" in text,
        epoch=int(text["epoch"]),
        owner=text.get("owner"),
        lease_ends_at=_moment(ends_ms),
        due=_at(fields[b"due"]),
        queued_at=_at(fields[b"t0"]),
        expiries=int(text["expiries"]),
        parked_because=text.get("parked_because") if state is FlagState.PARKED else None,
        claimed_first_at=_moment(fields.get(b"t_claim_first")),
        claimed_last_at=_moment(fields.get(b"t_claim_last")),
        verdict=Verdict(text["verdict"]) if is_decided else None,
        decided_by=text["decided_by"] if is_decided else None,
        decided_at=_moment(fields.get(b"t_decided")) if is_decided else None,
    )


def _moment(milliseconds: bytes | float | None) -> datetime | None:
    if milliseconds is None or milliseconds == b"":
        return None
    return capture_time(float(milliseconds) / 1000)


def _at(milliseconds: bytes) -> datetime:
    return capture_time(float(milliseconds) / 1000)
