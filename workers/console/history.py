"""A person's own last decisions: what they said, what became of it, and what can be taken back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from workers.console.access import needs
from workers.console.pages import render
from workers.console.parts import Parts
from workers.console.people import Person, Right
from workers.console.streams import stream_address
from workers.console.verdicts import verdict_text
from workers.review.answers import Answer, FlagState
from workers.review.board import FlagRecord
from workers.review.history import DecisionEvent

SHOWN: Final = 20

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Own:
    """One own verdict.

    Attributes:
        event: The log's entry.
        said: The verdict in words.
        badge: The class of its badge.
        became: What it led to, in words; never another person's verdict before the final one.
        href: The stream's page.
        may_undo: Whether the window is still open.
    """

    event: DecisionEvent
    said: str
    badge: str
    became: str
    href: str
    may_undo: bool


@router.get("/mine")
def own_decisions(
    request: Request, person: Annotated[Person, Depends(needs(Right.REVIEW))], parts: Parts
) -> Response:
    """The last twenty, newest first."""
    events = parts.history.mine(person.name, SHOWN)
    records = {
        record.flag.flag_id: record
        for record in parts.board.records([event.flag_id for event in events])
    }
    newest: set[str] = set()
    owns = []
    for event in events:
        is_newest = event.flag_id not in newest
        newest.add(event.flag_id)
        in_time = datetime.now(UTC) - event.at < parts.settings.undo_window
        may_undo = is_newest and in_time and not event.is_undone
        owns.append(_own(event, records.get(event.flag_id), person, may_undo))
    return render(
        request,
        "mine.html",
        owns=owns,
        titles={policy.code: policy.title for policy in parts.policies.current().policies},
        shown=SHOWN,
        undo_window=parts.settings.undo_window,
    )


def _own(event: DecisionEvent, record: FlagRecord | None, person: Person, may_undo: bool) -> Own:
    decision = event.decision
    detail = (decision.policy or decision.reason or "") if decision else ""
    verdict = event.verdict.value if event.verdict else ""
    return Own(
        event=event,
        said=verdict_text(verdict, detail),
        badge=f"is-{verdict.replace('_', '-')}",
        became=_became(event, record, person),
        href=stream_address(event.facts.stream_id) if event.facts else "",
        may_undo=may_undo,
    )


def _became(event: DecisionEvent, record: FlagRecord | None, person: Person) -> str:
    if event.is_undone:
        return "taken back by you"
    if record is None:
        return "the flag is not kept any more"
    if record.state is not FlagState.DECIDED:
        return "a senior decides" if record.is_escalated else "somebody else looks, too"
    if record.decided_by == person.name and event.result is Answer.OK:
        return "final"
    verdict = verdict_text(record.verdict or "")
    if record.verdict is event.verdict:
        return f"stood: {verdict}"
    return f"ended otherwise: {verdict}"
