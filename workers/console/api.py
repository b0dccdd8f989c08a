"""The JSON API for other tools: the same queue, rights and fences as the pages.

Programs send a bearer token (`flagpost console token`); a browser's session works too, with the
header `X-CSRF-Token` on whatever changes something. Errors are problem documents (RFC 9457).
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import AwareDatetime
from starlette.responses import Response

from schemas.decisions import Decision, Verdict
from schemas.policies import PolicySet
from workers.console.access import needs
from workers.console.api_models import (
    Claimed,
    Counts,
    Done,
    EventPage,
    FlagNow,
    Held,
    HeldUntil,
    Note,
    Problem,
    Said,
    claimed,
    counted,
    event_page,
    flag_now,
)  # fmt: skip
from workers.console.failures import problem
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right
from workers.console.rates import Kind
from workers.console.workpage import told
from workers.review.answers import Answer
from workers.review.desk import HOLD

EPOCH_BEGAN: Final = datetime(1970, 1, 1, tzinfo=UTC)
STATUS: Final = {Answer.MISSING: 404, Answer.FORBIDDEN: 403, Answer.NOT_YOURS: 403}
"""Every other answer that is not taken is 409."""
ENTRY: Final = r"^[0-9]{1,18}-[0-9]{1,18}$"
FlagId = Annotated[str, Path(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$", description="Id of a flag")]
Tool = Annotated[Person, Depends(needs(Right.USE_API))]
Reviewer = Annotated[Person, Depends(needs(Right.REVIEW))]
Reader = Annotated[Person, Depends(needs(Right.SEE_DECISIONS))]
Watcher = Annotated[Person, Depends(needs(Right.SEE_QUEUE))]
_PROBLEM: Final[dict[str, Any]] = {
    "model": Problem,
    "content": {"application/problem+json": {"schema": Problem.model_json_schema()}},
}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    status: {**_PROBLEM, "description": text}
    for status, text in {
        401: "No token, or one that is not known",
        403: "Known, and not allowed",
        404: "There is no such flag",
        409: "The claim is over, or somebody else decided",
        422: "The request does not fit; `errors` says where",
        429: "Too many claims in a minute",
        503: "The queue does not answer now",
    }.items()
}

router = APIRouter(prefix="/api/v1", tags=["queue"], responses=_REFUSALS)


@router.get("/counts")
def counts(person: Watcher, parts: Parts) -> Counts:
    """What the queue holds, counted."""
    return counted(parts.counts.value())


@router.get("/policies")
def policies(person: Tool, parts: Parts) -> PolicySet:
    """The policies in force, with their version."""
    return parts.policies.current()


@router.get("/flags/{flag_id}", response_model=FlagNow)
def flag(flag_id: FlagId, person: Watcher, parts: Parts) -> FlagNow | Response:
    """A flag and where it is; a verdict only once the flag is decided."""
    record = parts.board.record(flag_id)
    if record is None:
        return problem(404, "Not found", f"There is no flag {flag_id}.")
    return flag_now(record)


@router.get("/decisions")
def decisions(
    person: Reader,
    parts: Parts,
    since: Annotated[AwareDatetime, Query(description="Server time of the first event wanted")],
    until: Annotated[AwareDatetime | None, Query()] = None,
    after: Annotated[str | None, Query(pattern=ENTRY, description="`next_after` of a page")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> EventPage:
    """Verdicts of decided flags and what was undone, oldest first; go on with `next_after`.

    The first of two verdicts is left out while its flag is not decided, and does not come later:
    the log in Redis has them all.
    """
    found = parts.history.since(max(since, EPOCH_BEGAN), until, after)
    return event_page(list(islice(found, limit)), parts.board, limit)


@router.post("/claims", response_model=Claimed, responses={204: {"description": "Nothing waits"}})
def claim(person: Reviewer, parts: Parts) -> Claimed | Response:
    """The flag that is due first, under a lease; the one already held, if there is one."""
    parts.rates.count(Kind.CLAIM, person.name)
    without = parts.preferences.of(person.name).without
    lease = parts.desk.claim(person.name, parts.settings.lease, person.pools, without)
    return claimed(lease) if lease else Response(status_code=204)


@router.get(
    "/claims/mine", response_model=Claimed, responses={204: {"description": "Nothing is held"}}
)
def mine(person: Reviewer, parts: Parts) -> Claimed | Response:
    """What the caller holds now; claims nothing."""
    lease = parts.desk.held_by(person.name)
    return claimed(lease) if lease else Response(status_code=204)


@router.post("/flags/{flag_id}/renew", response_model=HeldUntil)
def renew(
    flag_id: FlagId,
    person: Reviewer,
    parts: Parts,
    held: Held,
    hold: Annotated[bool, Query(description="Half an hour, for asking somebody")] = False,
) -> HeldUntil | Response:
    """Extends a lease, up to an hour from the claim."""
    wanted = HOLD if hold else parts.settings.lease
    ends_at = parts.desk.renew(flag_id, person.name, held.epoch, wanted)
    if ends_at is None:
        return _refusal(parts, person, flag_id, Answer.STALE)
    return HeldUntil(ends_at=ends_at)


@router.post("/flags/{flag_id}/decision", response_model=Done)
def decide(flag_id: FlagId, person: Reviewer, parts: Parts, said: Said) -> Done | Response:
    """Records a verdict, once: the same `request_id` again answers `replay`."""
    policy = parts.policies.current().policy(said.policy or "")
    if said.verdict is Verdict.VIOLENT and not (policy and policy.active):
        text = f"policy: {said.policy} is not in force; GET /api/v1/policies lists those that are"
        return problem(422, "Not understood", text)
    decision = Decision(
        flag_id=flag_id,
        reviewer=person.name,
        decided_at=datetime.now(UTC),
        **said.model_dump(),
    )
    answer = parts.desk.decide(decision, person.pools)
    parts.audit.append(
        person.name, "flag.decide", flag_id, answer.value, verdict=decision.verdict.value, by="api"
    )
    if not answer.is_taken:
        return _refusal(parts, person, flag_id, answer)
    return Done(answer=answer)


@router.post("/flags/{flag_id}/skip", response_model=Done)
def skip(flag_id: FlagId, person: Reviewer, parts: Parts, note: Note) -> Done | Response:
    """Hands a flag on; the caller does not get it again."""
    answer = parts.desk.skip(flag_id, person.name, note.epoch, note.because)
    return _done(parts, person, flag_id, answer, "flag.skip")


@router.post("/flags/{flag_id}/release", response_model=Done)
def release(flag_id: FlagId, person: Reviewer, parts: Parts, note: Note) -> Done | Response:
    """Gives a flag back; the caller may get it again."""
    answer = parts.desk.release(flag_id, person.name, note.epoch, note.because)
    return _done(parts, person, flag_id, answer, "flag.release")


@router.post("/flags/{flag_id}/undo", response_model=Claimed)
def undo(flag_id: FlagId, person: Reviewer, parts: Parts) -> Claimed | Response:
    """Takes an own verdict back, within a few seconds; the flag is held again.

    The second of two verdicts is taken back with 409 and the answer `escalated`: a senior decides.
    """
    window = parts.settings.undo_window
    answer, lease = parts.desk.undo(flag_id, person.name, window, person.pools)
    parts.audit.append(person.name, "flag.undo", flag_id, answer.value, by="api")
    if lease is None:
        return _refusal(parts, person, flag_id, answer)
    return claimed(lease)


def _done(
    parts: ConsoleParts, person: Person, flag_id: str, answer: Answer, action: str
) -> Done | Response:
    parts.audit.append(person.name, action, flag_id, answer.value, by="api")
    if answer is not Answer.OK:
        return _refusal(parts, person, flag_id, answer)
    return Done(answer=answer)


def _refusal(parts: ConsoleParts, person: Person, flag_id: str, answer: Answer) -> Response:
    """Why the queue did not take it, in the words of the pages and with its own word."""
    text = told(parts, person, flag_id, answer)
    return problem(STATUS.get(answer, 409), "Not taken", text, answer=answer.value)
