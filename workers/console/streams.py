"""The stream page: every flag of one stream, and one verdict on several of them at once.

Bulk is only possible inside one stream, shows every picture (blurred) before it asks, and gives
each flag a decision and an answer of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import Response

from schemas.decisions import Decision
from workers.console.access import needs
from workers.console.media import address
from workers.console.onair import LIVE_WITHIN
from workers.console.pages import render
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right
from workers.console.verdicts import (
    NOTE_LIMIT,
    REASONS,
    FormRefused,
    decision_from,
    new_request,
    request_id,
    verdict_text,
)
from workers.review.answers import Answer, FlagState
from workers.review.board import FlagRecord
from workers.review.bulk import MOST_FLAGS, BulkDecision

FLAGS_SHOWN: Final = 100
RESULTS: Final = {
    Answer.OK: ("decided", "is-good"),
    Answer.SECOND: ("recorded; somebody else looks, too", "is-info"),
    Answer.ESCALATED: ("recorded; it differs from an earlier verdict, a senior decides", "is-warn"),
    Answer.REPLAY: ("recorded before", "is-good"),
    Answer.CONFLICT: ("left alone: decided already", "is-warn"),
    Answer.HELD: ("left alone: somebody looks at it", "is-warn"),
    Answer.STALE: ("left alone: somebody had it in the meantime", "is-warn"),
    Answer.FORBIDDEN: ("left alone: your own verdict is there, or it needs a senior", "is-warn"),
    Answer.MISSING: ("left alone: there is no such flag any more", "is-bad"),
    Answer.OTHER_STREAM: ("left alone: it is of another stream", "is-bad"),
}
"""What is said of each flag of a bulk decision, and the badge it has."""

router = APIRouter()
Viewer = Annotated[Person, Depends(needs(Right.SEE_QUEUE))]
Senior = Annotated[Person, Depends(needs(Right.BULK))]
StreamId = Annotated[str, Form(min_length=1, max_length=200)]
FlagIds = Annotated[list[str] | None, Form(max_length=MOST_FLAGS)]
Choice = Annotated[str, Form(max_length=300)]
Note = Annotated[str, Form(max_length=100_000)]


@dataclass(frozen=True, slots=True)
class Tile:
    """One flag as the page shows it.

    Attributes:
        record: The flag and where it is.
        src: Address of its blurred peak picture; empty where it has none.
        alt: The picture's facts.
        status: Where it is, in words.
        badge: The badge's class.
        may_select: Whether this person may decide it in bulk.
    """

    record: FlagRecord
    src: str
    alt: str
    status: str
    badge: str
    may_select: bool


def stream_address(stream_id: str) -> str:
    """Path of a stream's page; its id may hold slashes."""
    return f"/streams/{quote(stream_id, safe='')}"


@router.get("/streams/{stream_id:path}")
def stream_page(request: Request, stream_id: str, viewer: Viewer, parts: Parts) -> Response:
    """All flags of a stream, the newest first."""
    return _page(request, parts, viewer, stream_id)


@router.post("/streams/check")
def check(
    request: Request,
    senior: Senior,
    parts: Parts,
    stream_id: StreamId,
    flag_id: FlagIds = None,
    choice: Choice = "",
    note: Note = "",
) -> Response:
    """Asks before it decides: names the count and shows every picture."""
    try:
        tiles, decision = _wanted(parts, senior, stream_id, flag_id, choice, note)
    except FormRefused as error:
        return _page(
            request, parts, senior, stream_id, str(error), typed=(choice, note, flag_id or ())
        )
    return render(
        request,
        "bulk.html",
        stream_id=stream_id,
        back=stream_address(stream_id),
        tiles=tiles,
        verdict=_said(decision),
        choice=choice,
        note=note,
        token=new_request(parts.secret, senior, stream_id, 0),
        results={},
    )


@router.post("/streams/decide")
def decide(
    request: Request,
    senior: Senior,
    parts: Parts,
    stream_id: StreamId,
    flag_id: FlagIds = None,
    choice: Choice = "",
    note: Note = "",
    token: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Decides, and says of each flag what came of it; sent twice, it is one decision."""
    try:
        name = request_id(parts.secret, senior, stream_id, 0, token)
        tiles, decision = _wanted(parts, senior, stream_id, flag_id, choice, note)
    except FormRefused as error:
        return _page(
            request, parts, senior, stream_id, str(error), typed=(choice, note, flag_id or ())
        )
    answers = parts.desk.decide_bulk(_bulk(stream_id, name, tiles, decision), senior.pools)
    for one, answer in answers.items():
        parts.audit.append(
            senior.name, "flag.bulk", one, answer.value, stream=stream_id, verdict=_said(decision)
        )
    return render(
        request,
        "bulk.html",
        stream_id=stream_id,
        back=stream_address(stream_id),
        tiles=tiles,
        verdict=_said(decision),
        note=note,
        results={one: RESULTS.get(answer, (answer.value, "")) for one, answer in answers.items()},
        taken=sum(answer.is_taken for answer in answers.values()),
    )


def _wanted(
    parts: ConsoleParts,
    person: Person,
    stream_id: str,
    flag_ids: Sequence[str] | None,
    choice: str,
    note: str,
) -> tuple[list[Tile], Decision]:
    """The chosen flags and what is to be said of each.

    Raises:
        FormRefused: Nothing was chosen, or something that cannot be.
    """
    wanted = list(dict.fromkeys(flag_ids or ()))
    if not wanted:
        raise FormRefused("No flag was chosen. Nothing was recorded.")
    records = parts.board.records(wanted)
    if any(record.flag.stream_id != stream_id for record in records) or not records:
        raise FormRefused("Some of these flags are not of this stream. Nothing was recorded.")
    decision = decision_from(
        choice,
        note,
        person=person,
        flag_id=records[0].flag.flag_id,
        epoch=1,
        request="bulk",
        policies=parts.policies.current(),
    )
    if decision.policy is None and decision.reason is None:
        raise FormRefused("In bulk a verdict is violent or not violent. Nothing was recorded.")
    return [_tile(parts, person, record) for record in records], decision


def _bulk(stream_id: str, name: str, tiles: Sequence[Tile], decision: Decision) -> BulkDecision:
    return BulkDecision.model_validate(
        {
            "stream_id": stream_id,
            "flag_ids": [tile.record.flag.flag_id for tile in tiles],
            "request_id": name,
            **decision.model_dump(
                include={"reviewer", "verdict", "policy", "reason", "note", "decided_at"}
            ),
        }
    )


def _page(
    request: Request,
    parts: ConsoleParts,
    viewer: Person,
    stream_id: str,
    problem: str = "",
    typed: tuple[str, str, Sequence[str]] = ("", "", ()),
) -> Response:
    records = parts.board.of_stream(stream_id, FLAGS_SHOWN)
    tiles = [_tile(parts, viewer, record) for record in records]
    silent = parts.onair.last_heard(stream_id)
    choice, note, chosen = typed
    return render(
        request,
        "stream.html",
        status_code=422 if problem else 200 if records else 404,
        stream_id=stream_id,
        tiles=tiles,
        selectable=sum(tile.may_select for tile in tiles),
        newest=records[0].flag if records else None,
        past=parts.history.stream_record(stream_id),
        silent=silent,
        is_live=silent is not None and silent <= LIVE_WITHIN,
        policies=[policy for policy in parts.policies.current().policies if policy.active],
        titles={policy.code: policy.title for policy in parts.policies.current().policies},
        reasons=REASONS,
        note_limit=NOTE_LIMIT,
        most=FLAGS_SHOWN,
        problem=problem,
        choice=choice,
        note=note,
        chosen=frozenset(chosen),
    )


def _tile(parts: ConsoleParts, person: Person, record: FlagRecord) -> Tile:
    flag = record.flag
    status, badge = _status(record)
    peak = max(flag.evidence.pictures, key=lambda picture: picture.score, default=None)
    open_to = record.state in (FlagState.READY, FlagState.PARKED) or record.owner == person.name
    name = peak.key.rsplit("/", 1)[-1] if peak else ""
    return Tile(
        record=record,
        src=address(parts, person, flag.flag_id, name) if peak else "",
        alt=f"Peak picture, blurred: score {peak.score:.2f}" if peak else "",
        status=status,
        badge=badge,
        may_select=record.state is not FlagState.DECIDED and open_to and person.may(Right.BULK),
    )


def _status(record: FlagRecord) -> tuple[str, str]:
    """Where a flag is, in words, and the badge for it; never a verdict that is not final."""
    match record.state:
        case FlagState.DECIDED:
            verdict = record.verdict.value if record.verdict else ""
            return verdict_text(verdict), f"is-{verdict.replace('_', '-')}"
        case FlagState.LEASED:
            return f"{record.owner} looks at it", "is-info"
        case FlagState.PARKED:
            return f"set aside: {record.parked_because or 'no reason was given'}", "is-warn"
        case _ if record.is_escalated:
            return "waits for a senior", "is-warn"
        case _:
            return "waits", ""


def _said(decision: Decision) -> str:
    return verdict_text(decision.verdict, decision.policy or decision.reason or "")
