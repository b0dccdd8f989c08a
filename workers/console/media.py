"""Pictures and clips over HTTP: blurred by default, clear ones only by a signed address.

An address is made by a page (blurred) or by a reveal (clear), opens one file at one level for one
session, and dies within a minute or so. No clear byte leaves before the audit log has it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request
from starlette.responses import PlainTextResponse, Response

from workers.console.access import needs
from workers.console.blur import PictureUnreadable
from workers.console.byterange import ranged_response
from workers.console.gallery import Piece, pieces
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right
from workers.console.signing import AddressExpired, AddressForged, Level
from workers.errors import EvidenceUnavailable
from workers.review.answers import Pool
from workers.review.board import FlagRecord

BLURRED_LASTS: Final = timedelta(hours=1)
"""A page may stay open for a whole lease."""

router = APIRouter()
Viewer = Annotated[Person, Depends(needs(Right.SEE_QUEUE))]


def address(
    parts: ConsoleParts,
    person: Person,
    flag_id: str,
    name: str,
    level: Level = Level.BLURRED,
    lasts: timedelta = BLURRED_LASTS,
) -> str:
    """The signed address of one file at one level, good for one session."""
    token = parts.signer.sign(person, flag_id, name, level, lasts)
    return f"/media/{quote(flag_id)}/{quote(name)}?token={quote(token)}"


@router.get("/media/{flag_id}/{name}", include_in_schema=False)
def media(
    flag_id: str, name: str, request: Request, person: Viewer, parts: Parts, token: str = ""
) -> Response:
    """One file at the level that its token was signed for."""
    try:
        level = parts.signer.check(person, flag_id, name, token)
    except AddressForged:
        parts.audit.append(person.name, "media.get", flag_id, "denied", file=name, because="forged")
        return _refused(403, "This address was not made for you. Open the flag's page again.")
    except AddressExpired:
        return _refused(410, "This address has expired. Reveal the picture again.")
    record = parts.board.record(flag_id)
    piece = pieces(record.flag).get(name) if record is not None else None
    if record is None or piece is None:
        return _refused(404, f"The flag has no evidence called {name}.")
    if piece.is_clip != (level is Level.CLIP):
        return _refused(403, "This address is for another kind of file.")
    if level is not Level.BLURRED and not may_see(person, record):
        parts.audit.append(
            person.name, "media.get", flag_id, "denied", file=name, because="not held"
        )
        return _refused(403, "You do not hold this flag any more: its pictures are blurred again.")
    return _answer(parts, person, flag_id, piece, level, request.headers.get("range"))


def may_see(person: Person, record: FlagRecord) -> bool:
    """Clear pictures are for whoever holds the flag, or held it last while nobody took it since."""
    pool = Pool.ESCALATED if record.is_escalated else Pool.READY
    return record.owner == person.name and pool in person.pools


def _answer(
    parts: ConsoleParts,
    person: Person,
    flag_id: str,
    piece: Piece,
    level: Level,
    wanted: str | None,
) -> Response:
    try:
        data = parts.gallery.read(piece, level)
    except (EvidenceUnavailable, PictureUnreadable) as error:
        return _refused(404, f"This evidence cannot be shown: {error}.")
    if level is Level.BLURRED:
        return Response(data, media_type="image/jpeg")
    # Before the first byte leaves; where the log cannot be written, none does.
    parts.audit.append(
        person.name, "media.get", flag_id, file=piece.name, level=level.value, range=wanted
    )
    if level is Level.CLIP:
        return ranged_response(data, wanted, "video/mp4")
    return Response(data, media_type="image/jpeg")


def _refused(status: int, text: str) -> Response:
    return PlainTextResponse(text + "\n", status)
