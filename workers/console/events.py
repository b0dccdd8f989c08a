"""Server-sent counts: the only thing that an open page asks for by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from workers.console.access import needs
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right
from workers.errors import QueueUnavailable
from workers.review.board import BoardCounts

EVERY_S: Final = 3.0
LASTS_S: Final = 120.0
"""Then the browser comes again, and who it is and what they may is looked at anew."""
RETRY_MS: Final = 3000

router = APIRouter()


@router.get("/events", response_class=EventSourceResponse, include_in_schema=False)
async def events(
    request: Request, person: Annotated[Person, Depends(needs(Right.SEE_QUEUE))], parts: Parts
) -> AsyncIterator[ServerSentEvent]:
    """Counts every few seconds while the session lasts: event `counts`, or `away`, then `over`."""
    ends_s = asyncio.get_running_loop().time() + LASTS_S
    while asyncio.get_running_loop().time() < ends_s:
        event = await run_sync(_now, parts, person)
        yield event
        if event.event == "over" or await request.is_disconnected():
            return
        await asyncio.sleep(EVERY_S)


def told(counts: BoardCounts) -> dict[str, int]:
    """The counts that pages show at their top."""
    return {
        "waiting": counts.ready,
        "overdue": counts.overdue,
        "escalated": counts.escalated,
        "leased": counts.leased,
        "parked": counts.parked,
    }


def _now(parts: ConsoleParts, person: Person) -> ServerSentEvent:
    try:
        kept_here = parts.settings.sign_in != "proxy"
        if kept_here and not parts.sessions.is_live(person.session):
            return ServerSentEvent(event="over", data={}, retry=RETRY_MS)
        return ServerSentEvent(event="counts", data=told(parts.counts.value()), retry=RETRY_MS)
    except QueueUnavailable:
        return ServerSentEvent(event="away", data={}, retry=RETRY_MS)
