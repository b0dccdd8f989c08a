"""What a reviewer does with a flag other than decide it: keep it longer, or hand it on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import JSONResponse, Response

from workers.console.access import needs
from workers.console.pages import iso, lasting
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right
from workers.console.verdicts import NOTE_LIMIT, plain_note
from workers.console.workpage import (
    PAGE,
    Epoch,
    Note,
    Reviewer,
    claim,
    colleagues,
    lost,
    refused,
    to_work,
    told,
    wants_json,
)
from workers.review.answers import Answer, Pool
from workers.review.desk import HOLD

router = APIRouter()


@router.post(PAGE + "/{flag_id}/renew")
def renew(
    flag_id: str, request: Request, person: Reviewer, parts: Parts, epoch: Epoch, note: Note = ""
) -> Response:
    """Extends the lease; a script gets JSON and may call it while the page is looked at."""
    return _prolonged(request, parts, person, flag_id, epoch, note, hold=False)


@router.post(PAGE + "/{flag_id}/hold")
def hold(
    flag_id: str, request: Request, person: Reviewer, parts: Parts, epoch: Epoch, note: Note = ""
) -> Response:
    """A long lease, for asking somebody."""
    return _prolonged(request, parts, person, flag_id, epoch, note, hold=True)


@router.post(PAGE + "/{flag_id}/skip")
def skip(
    flag_id: str, request: Request, person: Reviewer, parts: Parts, epoch: Epoch, note: Note = ""
) -> Response:
    """Hands the flag on: somebody else gets it, this person does not."""
    answer = parts.desk.skip(flag_id, person.name, epoch, _because(note))
    said = "Skipped. Somebody else gets it."
    return _handed_on(request, parts, person, flag_id, note, answer, "flag.skip", said)


@router.post(PAGE + "/{flag_id}/release")
def release(
    flag_id: str, request: Request, person: Reviewer, parts: Parts, epoch: Epoch, note: Note = ""
) -> Response:
    """Gives the flag back and claims no other: a break."""
    answer = parts.desk.release(flag_id, person.name, epoch, "break")
    said = "Given back. Take your time."
    return _handed_on(
        request, parts, person, flag_id, note, answer, "flag.release", said, go_on=False
    )


@router.post(PAGE + "/{flag_id}/escalate")
def escalate(
    flag_id: str, request: Request, person: Reviewer, parts: Parts, epoch: Epoch, note: Note = ""
) -> Response:
    """Passes the flag to the seniors without a verdict."""
    answer = parts.desk.move(flag_id, Pool.ESCALATED, person.name, _because(note), epoch=epoch)
    said = "Passed on: a senior decides."
    return _handed_on(request, parts, person, flag_id, note, answer, "flag.escalate", said)


@router.post(PAGE + "/{flag_id}/second")
def second(
    flag_id: str, request: Request, person: Reviewer, parts: Parts, epoch: Epoch, note: Note = ""
) -> Response:
    """Asks that two people decide, neither seeing the other's verdict."""
    answer = parts.desk.move(
        flag_id, Pool.READY, person.name, _because(note), second_review=True, epoch=epoch
    )
    said = "Two people will decide this flag, neither seeing the other's verdict."
    return _handed_on(request, parts, person, flag_id, note, answer, "flag.second", said)


@router.post(PAGE + "/{flag_id}/hand")
def hand(
    flag_id: str,
    request: Request,
    person: Annotated[Person, Depends(needs(Right.HAND_OVER))],
    parts: Parts,
    epoch: Epoch,
    to: Annotated[str, Form(max_length=200)] = "",
    note: Note = "",
) -> Response:
    """Hands the flag to a person by name."""
    if to not in colleagues(parts, person, anew=True):
        text = f"{to or 'Nobody'} cannot take flags here. Nothing was changed: choose somebody."
        return refused(request, parts, person, flag_id, note, text)
    answer = parts.desk.move(flag_id, f"to:{to}", person.name, _because(note), epoch=epoch)
    said = f"Handed to {to}."
    return _handed_on(request, parts, person, flag_id, note, answer, "flag.hand", said)


@router.post(PAGE + "/{flag_id}/park")
def park(
    flag_id: str, request: Request, person: Reviewer, parts: Parts, epoch: Epoch, note: Note = ""
) -> Response:
    """Sets a flag that cannot be decided aside for a supervisor."""
    because = _because(note) or "evidence is missing"
    answer = parts.desk.park(flag_id, person.name, because, epoch)
    said = "Set aside. A supervisor looks at it."
    return _handed_on(request, parts, person, flag_id, note, answer, "flag.park", said)


def _handed_on(
    request: Request,
    parts: ConsoleParts,
    person: Person,
    flag_id: str,
    note: str,
    answer: Answer,
    action: str,
    said: str,
    go_on: bool = True,
) -> Response:
    parts.audit.append(person.name, action, flag_id, answer.value)
    if answer is not Answer.OK:
        return lost(request, parts, person, flag_id, note, answer)
    parts.exposure.settle(person.name)
    parts.notepad.keep_draft(person.name, flag_id, "")
    parts.notepad.say(person.name, said, "info")
    if go_on:
        claim(parts, person, quietly=True)
    return to_work()


def _prolonged(
    request: Request,
    parts: ConsoleParts,
    person: Person,
    flag_id: str,
    epoch: int,
    note: str,
    hold: bool,
) -> Response:
    wanted = HOLD if hold else parts.settings.lease
    ends_at = parts.desk.renew(flag_id, person.name, epoch, wanted)
    if len(note) <= NOTE_LIMIT:
        parts.notepad.keep_draft(person.name, flag_id, plain_note(note))
    if ends_at is None:
        if wants_json(request):
            text = told(parts, person, flag_id, Answer.STALE)
            return JSONResponse({"lost": text}, 409)
        return lost(request, parts, person, flag_id, note, Answer.STALE)
    if wants_json(request):
        left = ends_at - datetime.now(UTC)
        return JSONResponse({"ends_at": iso(ends_at), "left_s": left.total_seconds()})
    parts.notepad.say(person.name, f"Yours for {lasting(wanted)}.", "info")
    return to_work()


def _because(note: str) -> str:
    return plain_note(note)[:NOTE_LIMIT]
