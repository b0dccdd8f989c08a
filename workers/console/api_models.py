"""What the API takes and gives, as pydantic models; the wire's names are kept apart from ours."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from schemas.decisions import Decision, Reason, Verdict
from schemas.flags import Flag, Severity
from schemas.frames import Identifier
from workers.review.answers import Answer, FlagState, Lease
from workers.review.board import Board, BoardCounts, FlagRecord
from workers.review.history import DecisionEvent, EventKind

MAX_EPOCH = 2**53


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(BaseModel):
    """An error, after RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Held(_In):
    """The claim that an action belongs to."""

    epoch: int = Field(ge=1, le=MAX_EPOCH)


class Note(Held):
    """The claim, and why."""

    because: str = Field(default="", max_length=2000)


class Said(Held):
    """A verdict. `violent` names a policy in force, `not_violent` a reason."""

    request_id: Identifier
    """Chosen by the caller; the same one again is the same decision."""
    verdict: Verdict
    policy: Identifier | None = None
    reason: Reason | None = None
    note: str = Field(default="", max_length=2000)

    @model_validator(mode="after")
    def _is_explained(self) -> Said:
        if self.verdict is Verdict.VIOLENT and self.policy is None:
            raise ValueError("policy: a violent verdict names the policy it breaks")
        if self.verdict is Verdict.NOT_VIOLENT and self.reason is None:
            raise ValueError("reason: a not_violent verdict says why: game, sport, film or other")
        return self


class Done(BaseModel):
    """What the queue made of an action."""

    answer: Answer


class HeldUntil(BaseModel):
    """The new end of a lease."""

    ends_at: AwareDatetime


class Claimed(BaseModel):
    """A flag under a lease; `epoch` goes into every action on it."""

    flag: Flag
    epoch: int
    ends_at: AwareDatetime


class Counts(BaseModel):
    """Counts at one moment."""

    at: AwareDatetime
    ready: int
    leased: int
    parked: int
    escalated: int
    handed: int
    decided: int
    overdue: int
    oldest_due: AwareDatetime | None
    ready_by_severity: dict[Severity, int]


class FlagNow(BaseModel):
    """A flag and where it is. Nothing says a verdict before the flag is decided."""

    flag: Flag
    state: FlagState
    pool: str
    severity: Severity
    due: AwareDatetime
    queued_at: AwareDatetime
    owner: str | None
    lease_ends_at: AwareDatetime | None
    verdict: Verdict | None
    decided_by: str | None
    decided_at: AwareDatetime | None


class Event(BaseModel):
    """One verdict of a decided flag, or one taken back."""

    entry: str
    at: AwareDatetime
    kind: EventKind
    flag_id: str
    reviewer: str
    decision: Decision | None
    undoes: str | None
    policies: int


class EventPage(BaseModel):
    """Some events; `next_after` asks for what follows them, and is None at the end for now."""

    events: list[Event]
    next_after: str | None


def claimed(lease: Lease) -> Claimed:
    return Claimed(flag=lease.flag, epoch=lease.epoch, ends_at=lease.ends_at)


def counted(found: BoardCounts) -> Counts:
    return Counts(
        at=found.at,
        ready=found.ready,
        leased=found.leased,
        parked=found.parked,
        escalated=found.escalated,
        handed=found.handed,
        decided=found.decided,
        overdue=found.overdue,
        oldest_due=found.oldest_due,
        ready_by_severity=found.ready_by_severity,
    )


def flag_now(record: FlagRecord) -> FlagNow:
    return FlagNow(
        flag=record.flag,
        state=record.state,
        pool=record.pool,
        severity=record.severity,
        due=record.due,
        queued_at=record.queued_at,
        owner=record.owner,
        lease_ends_at=record.lease_ends_at,
        verdict=record.verdict,
        decided_by=record.decided_by,
        decided_at=record.decided_at,
    )


def event_page(found: Sequence[DecisionEvent], board: Board, limit: int) -> EventPage:
    """Leaves out flags that are not decided, or a second review would not be blind."""
    records = board.records(sorted({event.flag_id for event in found})) if found else ()
    decided = {record.flag.flag_id for record in records if record.state is FlagState.DECIDED}
    shown = [_event(event) for event in found if event.flag_id in decided]
    following = found[-1].entry if len(found) == limit else None
    return EventPage(events=shown, next_after=following)


def _event(event: DecisionEvent) -> Event:
    return Event(
        entry=event.entry,
        at=event.at,
        kind=event.kind,
        flag_id=event.flag_id,
        reviewer=event.reviewer,
        decision=event.decision,
        undoes=event.undoes,
        policies=event.policies,
    )
