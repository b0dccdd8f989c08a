"""Looking at evidence: choosing a picture, revealing it step by step, blurring it again.

A reveal is counted and written to the audit log before its address exists; the address is good for
one file, one level, one session and about a minute.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from schemas.flags import Flag
from workers.console.gallery import CLIP_NAME, pieces
from workers.console.media import address, may_see
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person
from workers.console.signing import Level
from workers.console.verdicts import NOTE_LIMIT, plain_note
from workers.console.workpage import PAGE, Note, Reviewer, lost, refused, wants_json
from workers.review.answers import Answer

router = APIRouter()
Name = Annotated[str, Form(max_length=200)]
CLIP_LASTS_TIMES = 5
"""A clip is watched and sought in for longer than a picture is looked at."""


@router.post(PAGE + "/{flag_id}/look")
def look(
    flag_id: str, request: Request, person: Reviewer, parts: Parts, picture: Name = "",
    note: Note = "",
) -> Response:  # fmt: skip
    """Puts a picture on the stage, blurred, and blurs what was clear."""
    parts.exposure.settle(person.name)
    _keep(parts, person, flag_id, note)
    if wants_json(request):
        return JSONResponse({})
    return RedirectResponse(f"{PAGE}?{urlencode({'picture': picture})}", 303)


@router.post(PAGE + "/{flag_id}/reveal")
def reveal(
    flag_id: str,
    request: Request,
    person: Reviewer,
    parts: Parts,
    show: Annotated[str, Form(max_length=220)],
    note: Note = "",
) -> Response:
    """Shows one picture or the clip unblurred; `show` is `LEVEL:NAME`."""
    _keep(parts, person, flag_id, note)
    lease = parts.desk.held_by(person.name)
    if lease is None or lease.flag.flag_id != flag_id:
        parts.audit.append(person.name, "flag.reveal", flag_id, "denied", because="not held")
        if wants_json(request):
            return JSONResponse({"refused": "You do not hold this flag any more."}, 409)
        return lost(request, parts, person, flag_id, note, Answer.STALE)
    record = parts.board.record(flag_id)
    if record is None or not may_see(person, record):
        parts.audit.append(person.name, "flag.reveal", flag_id, "denied", because="role")
        text = "This flag was escalated: only a senior may look at it."
        return _no(request, parts, person, flag_id, note, text, 403)
    wanted = _wanted(lease.flag, show)
    if wanted is None:
        return _no(request, parts, person, flag_id, note, "There is no such picture.", 404)
    name, level = wanted
    lasts = parts.settings.media_lifetime * (CLIP_LASTS_TIMES if level is Level.CLIP else 1)
    if not parts.exposure.reserve(person.name, lease.flag.policy, lasts):
        parts.audit.append(person.name, "flag.reveal", flag_id, "denied", because="exposure cap")
        text = (
            "You have seen as much today as the console shows in one shift. Decide from the "
            "blurred pictures, skip the flag, or stop for today."
        )
        return _no(request, parts, person, flag_id, note, text, 403)
    parts.audit.append(person.name, "flag.reveal", flag_id, file=name, level=level.value)
    src = address(parts, person, flag_id, name, level, lasts)
    if wants_json(request):
        left = parts.exposure.of(person.name).left
        return JSONResponse(
            {"src": src, "level": level.value, "lasts_s": lasts.total_seconds(), "left": left}
        )
    token = src.partition("token=")[2]
    return RedirectResponse(f"{PAGE}?picture={name}&token={token}#stage", 303)


def _wanted(flag: Flag, show: str) -> tuple[str, Level] | None:
    """The file and level that a button names, if this flag has such a file."""
    text, _, name = show.partition(":")
    piece = pieces(flag).get(name)
    if piece is None or text not in (Level.GREY, Level.COLOUR, Level.CLIP):
        return None
    level = Level(text)
    return (name, level) if (level is Level.CLIP) == (name == CLIP_NAME) else None


def _no(
    request: Request,
    parts: ConsoleParts,
    person: Person,
    flag_id: str,
    note: str,
    text: str,
    status: int,
) -> Response:
    if wants_json(request):
        return JSONResponse({"refused": text}, status)
    return refused(request, parts, person, flag_id, note, text)


def _keep(parts: ConsoleParts, person: Person, flag_id: str, note: str) -> None:
    if len(note) <= NOTE_LIMIT:
        parts.notepad.keep_draft(person.name, flag_id, plain_note(note))
