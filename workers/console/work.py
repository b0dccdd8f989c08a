"""The work page: one flag at a time, everything by plain forms; the script only makes it quicker.

Nothing is claimed by looking at a page. Every action carries the claim's epoch, so a page that is
too old changes nothing; then the page says what happened and keeps what was typed.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from schemas.decisions import Decision
from workers.console.access import Signed
from workers.console.pages import navigation
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right
from workers.console.verdicts import FormRefused, decision_from, recorded_text, request_id
from workers.console.workpage import (
    PAGE,
    Epoch,
    Note,
    Reviewer,
    claim,
    held,
    idle,
    lost,
    refused,
    to_work,
    told,
)
from workers.console.worksheet import Looking
from workers.review.answers import Answer

router = APIRouter()


@router.get("/", include_in_schema=False)
def home(person: Signed, parts: Parts) -> Response:
    """Leads to work; to the guide first where somebody decided nothing yet."""
    if not person.may(Right.REVIEW):
        return RedirectResponse(navigation(person)[0].path, 303)
    is_new = not parts.history.mine(person.name, limit=1)
    return RedirectResponse("/guide" if is_new else PAGE, 303)


@router.get(PAGE, include_in_schema=False)
def work(
    request: Request, person: Reviewer, parts: Parts, picture: str = "", token: str = ""
) -> Response:
    """The flag that the person holds, or a button to get one."""
    lease = parts.desk.held_by(person.name)
    if lease is None:
        return idle(request, parts, person)
    return held(request, parts, person, lease, Looking(picture, token))


@router.post(PAGE + "/next")
def next_flag(request: Request, person: Reviewer, parts: Parts) -> Response:
    """Claims the flag that is due first."""
    lease = claim(parts, person)
    said = parts.notepad.said(person.name)
    if said is not None and not said.undo:
        parts.notepad.forget(person.name)
    if lease is None and not (said and said.undo):
        parts.notepad.say(person.name, "Nothing waits for you right now.", "info")
    return to_work()


@router.post(PAGE + "/undo")
def undo(
    request: Request, person: Reviewer, parts: Parts, flag_id: Annotated[str, Form(max_length=26)]
) -> Response:
    """Takes the last verdict back; the flag is held again."""
    answer, lease = parts.desk.undo(flag_id, person.name, parts.settings.undo_window, person.pools)
    parts.audit.append(person.name, "flag.undo", flag_id, answer.value)
    if lease is None:
        parts.notepad.say(person.name, told(parts, person, flag_id, answer), "warn")
    else:
        parts.notepad.say(person.name, "Taken back. You hold the flag again.", "info")
    return to_work()


@router.post(PAGE + "/forget")
def forget(request: Request, person: Reviewer, parts: Parts) -> Response:
    """Throws away a note that was kept."""
    parts.notepad.keep_draft(person.name, "", "")
    return to_work()


@router.post(PAGE + "/{flag_id}/decide")
def decide(
    flag_id: str,
    request: Request,
    person: Reviewer,
    parts: Parts,
    epoch: Epoch,
    request_token: Annotated[str, Form(alias="request")] = "",
    choice: Annotated[str, Form()] = "",
    note: Note = "",
    then: Annotated[str, Form()] = "next",
) -> Response:
    """Records a verdict and gives the next flag."""
    trip = parts.round_trip()
    policies_now = trip.ask(parts.policies.ask_current())
    exposure_now = trip.ask(parts.exposure.ask(person.name))
    trip.go()
    policies = policies_now()
    try:
        decision = decision_from(
            choice,
            note,
            person=person,
            flag_id=flag_id,
            epoch=epoch,
            request=request_id(parts.secret, person, flag_id, epoch, request_token),
            policies=policies,
        )
    except FormRefused as error:
        return refused(request, parts, person, flag_id, note, str(error))
    answer = parts.desk.decide(decision, person.pools)
    parts.audit.append(
        person.name, "flag.decide", flag_id, answer.value, verdict=decision.verdict.value
    )
    if not answer.is_taken:
        return lost(request, parts, person, flag_id, note, answer)
    _after_verdict(parts, person, decision, recorded_text(answer, decision, policies), answer)
    if then != "stop" and not exposure_now().suggests_break:
        claim(parts, person, quietly=True)
    return to_work()


def _after_verdict(
    parts: ConsoleParts, person: Person, decision: Decision, said: str, answer: Answer
) -> None:
    parts.exposure.settle(person.name)
    undo_of = "" if answer is Answer.REPLAY else decision.flag_id
    parts.notepad.say(person.name, said, undo=undo_of, drop_draft=True)
