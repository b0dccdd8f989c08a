"""The queue page: what waits, for how long, what is late, what is set aside, who works on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from schemas.flags import Severity
from workers.console.access import needs
from workers.console.pages import lasting, render
from workers.console.parts import Parts
from workers.console.people import Person, Right
from workers.console.streams import stream_address
from workers.console.verdicts import plain_note
from workers.review.answers import Answer, Pool
from workers.review.board import AGE_EDGES, BoardCounts

NEXT_SHOWN: Final = 12
PARKED_SHOWN: Final = 50
ESCALATED_SHOWN: Final = 12
FOUND_SHOWN: Final = 20
MOVED: Final = {
    Answer.OK: "{flag} went back to where flags wait.",
    Answer.DECIDED: "{flag} is decided already. Nothing was changed.",
    Answer.MISSING: "There is no flag {flag}. Nothing was changed.",
}

router = APIRouter()
Viewer = Annotated[Person, Depends(needs(Right.SEE_QUEUE))]
Senior = Annotated[Person, Depends(needs(Right.BULK))]
"""Parked flags need somebody who may decide without having claimed."""


@dataclass(frozen=True, slots=True)
class Row:
    """How many flags of one severity wait for how long, the shortest wait first."""

    severity: Severity
    counts: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.counts)


@router.get("/queue")
def queue_page(request: Request, viewer: Viewer, parts: Parts, stream: str = "") -> Response:
    """Counts and lists; with `stream`, the streams whose id begins so."""
    wanted = stream.strip()[:200]
    found = parts.board.search(wanted, FOUND_SHOWN) if wanted else ()
    if found == (wanted,):
        return RedirectResponse(stream_address(wanted), 303)
    counts, said = parts.board.counts(), parts.notepad.said(viewer.name)
    return render(
        request,
        "queue.html",
        counts=counts,
        rows=rows_of(counts),
        ages=age_names(),
        overdue_by=counts.most_overdue,
        waiting=counts.ready + counts.escalated + counts.handed,
        upcoming=parts.board.waiting(Pool.READY, limit=NEXT_SHOWN),
        escalated=parts.board.waiting(Pool.ESCALATED, limit=ESCALATED_SHOWN),
        parked=parts.board.parked(PARKED_SHOWN),
        working=parts.board.working(),
        colleagues=sorted(parts.colleagues.value() - {viewer.name}),
        titles={policy.code: policy.title for policy in parts.policies.current().policies},
        wanted=wanted,
        found=[(stream_id, stream_address(stream_id)) for stream_id in found],
        stream_address=stream_address,
        # A verdict is told, and taken back, on the work page.
        said=said if said and not said.undo else None,
    )


@router.post("/queue/move")
def move(
    senior: Senior,
    parts: Parts,
    flag_id: Annotated[str, Form(min_length=26, max_length=26)],
    to: Annotated[str, Form(max_length=210)] = Pool.READY.value,
    because: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """Takes a flag out of the parked ones, or moves a waiting one."""
    known = {*Pool, *(f"to:{name}" for name in parts.colleagues.value())}
    if to not in known:
        parts.notepad.say(senior.name, "There is nobody of that name who reviews.", "warn")
        return RedirectResponse("/queue", 303)
    answer = parts.desk.move(flag_id, to, senior.name, plain_note(because)[:2000])
    parts.audit.append(senior.name, "flag.move", flag_id, answer.value, to=to)
    text = MOVED.get(answer, f"Not moved: {answer.value}.").format(flag=flag_id)
    parts.notepad.say(senior.name, text, "good" if answer is Answer.OK else "warn")
    return RedirectResponse("/queue", 303)


def rows_of(counts: BoardCounts) -> Sequence[Row]:
    return [Row(severity, ages) for severity, ages in counts.ready_by_age.items()]


def age_names(edges: Sequence[timedelta] = AGE_EDGES) -> list[str]:
    """What stands over each bucket: `under 60 s`, `to 5 min`, ..., `over 60 min`."""
    return [
        f"under {lasting(edges[0])}",
        *(f"to {lasting(edge)}" for edge in edges[1:]),
        f"over {lasting(edges[-1])}",
    ]
