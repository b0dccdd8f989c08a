"""What people said of flags, read back from the log: for quality figures and own verdicts.

Events of flags that are not decided are among them: pages show them to nobody but the person who
gave them, or a second review would not be blind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from schemas.decisions import Decision, Verdict
from schemas.flags import AuditSample, Severity
from schemas.frames import capture_time
from workers.review.answers import Answer
from workers.review.roundtrip import Question, answered
from workers.review.scripts import connect, mapped_errors, run_all
from workers.settings import RedisSettings

PAGE: Final = 200
"""Few enough that nobody else waits for it."""
STREAM_FLAGS: Final = 500
"""Newest flags of a stream that its record counts."""
_FACTS: Final = (
    *("stream", "policy", "severity", "model", "version", "peak", "looks", "opened"),
    *("probability", "stratum"),
)


class EventKind(StrEnum):
    """What a person did."""

    DECISION = "decision"
    """A verdict that closed its flag."""
    VERDICT = "verdict"
    """The first of two, an unsure one, or one that differs: the flag goes on."""
    UNDO = "undo"
    """An own verdict taken back."""


@dataclass(frozen=True, slots=True)
class FlagFacts:
    """What quality figures need of a flag; `audit` where it is a sample of unflagged frames."""

    stream_id: str
    policy: str
    severity: Severity
    model: str
    model_version: str
    peak: float
    looks: int
    opened_at: datetime
    audit: AuditSample | None


@dataclass(frozen=True, slots=True)
class DecisionEvent:
    """One entry of the log.

    Attributes:
        entry: Its id in the log.
        at: When, on the server's clock.
        kind: What was done.
        flag_id: To which flag.
        reviewer: By whom.
        decision: The verdict in full; None of an undo.
        result: What the queue made of it; None of an undo.
        policies: Version of the policies then in force.
        undoes: Entry that an undo takes back.
        facts: The flag as it is now; None if it is gone.
        is_undone: Whether it was taken back; known in `mine` and `standing` only.
    """

    entry: str
    at: datetime
    kind: EventKind
    flag_id: str
    reviewer: str
    decision: Decision | None
    result: Answer | None
    policies: int
    undoes: str | None
    facts: FlagFacts | None
    is_undone: bool = False

    @property
    def verdict(self) -> Verdict | None:
        return self.decision.verdict if self.decision else None


@dataclass(frozen=True, slots=True)
class StreamHistory:
    """How a stream's flags were decided; `open` ones are not yet."""

    violent: int
    not_violent: int
    open: int

    @property
    def total(self) -> int:
        return self.violent + self.not_violent + self.open


class DecisionHistory:
    """Safe for several threads. Every method raises QueueUnavailable if Redis does not answer."""

    def __init__(self, settings: RedisSettings) -> None:
        self._redis = connect(settings)
        self._prefix = f"fq:{{{settings.queue}}}:"

    def since(
        self, start: datetime, until: datetime | None = None, after: str | None = None
    ) -> Iterator[DecisionEvent]:
        """Events of a time, oldest first, read page by page; undone ones are among them.

        With `after`, only what follows that entry: many may be of the same millisecond.
        """
        first = f"({after}" if after else str(_ms(start))
        last = "+" if until is None else str(_ms(until))
        while True:
            rows = self._rows("range", first, last, PAGE)
            yield from _events(rows)
            if len(rows) < PAGE:
                return
            first = f"({rows[-1][0]}"

    def mine(self, reviewer: str, limit: int = 20) -> tuple[DecisionEvent, ...]:
        """A person's own newest verdicts, newest first, undone ones marked."""
        with mapped_errors():
            # Each may have been undone, which is an entry too.
            found: Any = self._redis.lrange(f"{self._prefix}mine:{reviewer}", 0, 2 * limit - 1)
        events = _events(self._rows("entries", *found))
        undone = {event.undoes for event in events}
        own = (event for event in events if event.kind is not EventKind.UNDO)
        return tuple(replace(event, is_undone=event.entry in undone) for event in own)[:limit]

    def stream_record(self, stream_id: str, without: str | None = None) -> StreamHistory:
        """How a stream's newest flags were decided, leaving out the flag `without`."""
        newest = answered(self._redis, self.ask_stream(stream_id))
        return self.record_of([flag_id for flag_id in newest if flag_id != without])

    def ask_stream(self, stream_id: str) -> Question[list[str]]:
        """Ids of a stream's newest flags, to be asked with other questions."""
        key = f"{self._prefix}stream:{stream_id}"
        return Question(
            lambda pipe: pipe.zrevrange(key, 0, STREAM_FLAGS - 1),
            lambda replies: [flag_id.decode() for flag_id in replies[0]],
        )

    def record_of(self, flag_ids: Sequence[str]) -> StreamHistory:
        """How these flags were decided."""
        pipe = self._redis.pipeline(transaction=False)
        for flag_id in flag_ids:
            pipe.hget(f"{self._prefix}f:{flag_id}", "verdict")
        with mapped_errors():
            verdicts = [verdict.decode() if verdict else "" for verdict in pipe.execute()]
        violent = verdicts.count(Verdict.VIOLENT)
        not_violent = verdicts.count(Verdict.NOT_VIOLENT)
        return StreamHistory(violent, not_violent, len(verdicts) - violent - not_violent)

    def close(self) -> None:
        self._redis.close()

    def _rows(self, *which: object) -> list[Any]:
        """Entries, their fields and the facts of their flags."""
        call = [len(_FACTS), *_FACTS, *which]
        rows: list[Any] = json.loads(run_all(self._redis, "events", [self._prefix], [call])[0])
        return rows


def standing(events: Iterable[DecisionEvent]) -> list[DecisionEvent]:
    """The verdicts among events that were not taken back, in order."""
    known = list(events)
    undone = {event.undoes for event in known}
    return [
        event for event in known if event.kind is not EventKind.UNDO and event.entry not in undone
    ]


def _events(rows: list[Any]) -> list[DecisionEvent]:
    """Entries that the log does not hold any more are left out."""
    return [_event(entry, fields, facts) for entry, fields, facts in rows if fields]


def _event(entry: str, text: dict[str, str], facts: list[str | bool]) -> DecisionEvent:
    decision = text.get("decision")
    return DecisionEvent(
        entry=entry,
        at=capture_time(int(entry.split("-")[0]) / 1000),
        kind=EventKind(text["event"]),
        flag_id=text["flag"],
        reviewer=text["reviewer"],
        decision=Decision.model_validate_json(decision) if decision else None,
        result=Answer(text["result"]) if "result" in text else None,
        policies=int(text.get("policies", 0)),
        undoes=text.get("undoes"),
        facts=_facts(facts),
    )


def _facts(values: list[str | bool]) -> FlagFacts | None:
    text = [str(value or "") for value in values]
    stream, policy, severity, model, version, peak, looks, opened, probability, stratum = text
    if not (stream and policy and opened):
        return None
    audit = AuditSample(probability=float(probability), stratum=stratum) if probability else None
    return FlagFacts(
        stream_id=stream,
        policy=policy,
        severity=Severity(severity),
        model=model,
        model_version=version,
        peak=float(peak),
        looks=int(looks),
        opened_at=capture_time(float(opened) / 1000),
        audit=audit,
    )


def _ms(moment: datetime) -> int:
    """As an entry's id; none is older than 1970."""
    return max(0, round(moment.timestamp() * 1000))
