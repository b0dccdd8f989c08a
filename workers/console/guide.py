"""The guide: how the work goes, on one short page, with this person's own keys."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from workers.console.access import Signed
from workers.console.pages import render
from workers.console.parts import Parts
from workers.console.preferences import ACTIONS
from workers.console.verdicts import NOTE_LIMIT

router = APIRouter()


@router.get("/guide")
def guide(request: Request, person: Signed, parts: Parts) -> Response:
    """Everybody who is signed in may read it."""
    settings = parts.settings
    preferences = parts.preferences.of(person.name)
    keys = [(preferences.keys[action], does) for action, (_, does) in ACTIONS.items()]
    return render(
        request,
        "guide.html",
        preferences=preferences,
        keys=[(key.upper(), does) for key, does in keys if key],
        keys_on=preferences.keys_on,
        start_key=preferences.keys["next"].upper() if preferences.keys_on else "",
        policies=[policy for policy in parts.policies.current().policies if policy.active],
        lease=settings.lease,
        undo_window=settings.undo_window,
        note_limit=NOTE_LIMIT,
        prompt=settings.exposure_prompt,
        cap=settings.exposure_cap,
        second_share=settings.second_review_share,
    )
