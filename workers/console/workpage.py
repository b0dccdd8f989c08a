"""The two faces of the work page, with a flag and without, and what it says when something failed.

Whatever a person typed is put back on every page that refuses an action.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from workers.console.access import needs
from workers.console.glance import glances, person_glance
from workers.console.pages import render
from workers.console.parts import ConsoleParts
from workers.console.people import Person, Right
from workers.console.preferences import ACTIONS
from workers.console.rates import Kind, TooMany
from workers.console.verdicts import NOTE_LIMIT, plain_note, refused_text, verdict_text
from workers.console.worksheet import Looking, key_hints, sheet
from workers.review.answers import Answer, FlagState, Lease

PAGE: Final = "/work"
PREPARED: Final = 2
"""Flags whose pictures are blurred ahead for whoever comes next."""

Reviewer = Annotated[Person, Depends(needs(Right.REVIEW))]
Epoch = Annotated[int, Form(ge=1, le=2**53)]
Note = Annotated[str, Form()]


def claim(parts: ConsoleParts, person: Person, quietly: bool = False) -> Lease | None:
    """The flag that is due first, without the categories that the person opted out of.

    Raises:
        TooMany: The person claims too fast; with `quietly` no flag is given instead.
    """
    try:
        parts.rates.count(Kind.CLAIM, person.name)
    except TooMany:
        if quietly:
            return None
        raise
    without = parts.preferences.of(person.name).without
    lease = parts.desk.claim(person.name, parts.settings.lease, person.pools, without)
    if lease is not None:
        parts.gallery.prepare(
            lambda: (record.flag for record in parts.board.waiting(limit=PREPARED))
        )
    return lease


def held(
    request: Request,
    parts: ConsoleParts,
    person: Person,
    lease: Lease,
    looking: Looking,
    *,
    problem: str = "",
    note: str | None = None,
    status_code: int = 200,
) -> Response:
    """The page of a flag under a lease, with a note half written put back."""
    own, known = glances(parts, person, lease.flag)
    drafted_for, draft = own.draft
    return render(
        request,
        "work.html",
        status_code=status_code,
        sheet=sheet(parts, person, lease, looking, known),
        said=own.said,
        problem=problem,
        note=note if note is not None else draft if drafted_for == lease.flag.flag_id else "",
        exposure=own.exposure,
        counts=parts.counts.value(),
        colleagues=colleagues(parts, person),
        keys=key_hints(own.preferences),
        actions={action: does for action, (_, does) in ACTIONS.items()},
        preferences=own.preferences,
    )


def idle(
    request: Request,
    parts: ConsoleParts,
    person: Person,
    *,
    problem: str = "",
    kept: str = "",
    status_code: int = 200,
) -> Response:
    """The page of somebody who holds nothing; `kept` is a note that had no flag to go to."""
    own = person_glance(parts, person)
    return render(
        request,
        "idle.html",
        status_code=status_code,
        said=own.said,
        problem=problem,
        kept=kept or own.draft[1],
        exposure=own.exposure,
        counts=parts.counts.value(),
        keys=key_hints(own.preferences),
        actions={action: does for action, (_, does) in ACTIONS.items()},
        preferences=own.preferences,
    )


def refused(
    request: Request, parts: ConsoleParts, person: Person, flag_id: str, note: str, text: str
) -> Response:
    """The page again, with what was typed and what to mend."""
    lease = parts.desk.held_by(person.name)
    if lease is None or lease.flag.flag_id != flag_id:
        return idle(request, parts, person, problem=text, kept=note, status_code=409)
    parts.notepad.forget(person.name)
    return held(request, parts, person, lease, Looking(), problem=text, note=note, status_code=422)


def lost(
    request: Request, parts: ConsoleParts, person: Person, flag_id: str, note: str, answer: Answer
) -> Response:
    """Says plainly why an action was not taken, and who has the flag now; the note is kept."""
    text = told(parts, person, flag_id, answer)
    if len(note) <= NOTE_LIMIT:
        parts.notepad.keep_draft(person.name, flag_id, plain_note(note))
    lease = parts.desk.held_by(person.name)
    if lease is not None:
        # They hold a newer claim, of this flag or another: what they typed belongs to neither yet.
        same = lease.flag.flag_id == flag_id
        return held(
            request,
            parts,
            person,
            lease,
            Looking(),
            problem=text,
            note=note if same else None,
            status_code=409,
        )
    return idle(request, parts, person, problem=text, kept=note, status_code=409)


def told(parts: ConsoleParts, person: Person, flag_id: str, answer: Answer) -> str:
    """Why the queue did not take something, with the name of who has the flag now."""
    state = parts.desk.lease_of(flag_id)
    holder = decided = None
    if state is not None and state.state is FlagState.LEASED and state.owner != person.name:
        holder = state.owner
    if state is not None and state.state is FlagState.DECIDED:
        decided = _decided_text(parts, person, flag_id)
    if answer is Answer.STALE and state is not None and state.owner == person.name:
        return "Your lease ended, but nobody took the flag yet: your verdict still counts."
    if answer is Answer.STALE and state is not None and state.state is FlagState.PARKED:
        return "This flag was set aside for a supervisor. Nothing was recorded."
    if answer is Answer.STALE and decided:
        answer = Answer.CONFLICT
    return refused_text(answer, holder, decided)


def colleagues(parts: ConsoleParts, person: Person, anew: bool = False) -> tuple[str, ...]:
    """Who a flag can be handed to: others who may review and are known here."""
    return tuple(sorted(parts.colleagues.value(anew) - {person.name}))


def to_work() -> Response:
    return RedirectResponse(PAGE, 303)


def wants_json(request: Request) -> bool:
    """Whether our own script asks, which puts the answer into the page itself."""
    return request.headers.get("accept", "").startswith("application/json")


def _decided_text(parts: ConsoleParts, person: Person, flag_id: str) -> str:
    record = parts.board.record(flag_id)
    if record is None or record.verdict is None:
        return "It was decided"
    who = "You" if record.decided_by == person.name else record.decided_by
    return f"{who} decided it as {verdict_text(record.verdict)}"
