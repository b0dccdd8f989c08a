"""Looking after oneself: own exposure, breaks, categories opted out of, keys and colours."""

from __future__ import annotations

from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from workers.console.cookies import set_cookie
from workers.console.pages import THEME, THEMES, render
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person
from workers.console.preferences import ACTIONS, Preferences, ShortcutRejected
from workers.console.workpage import Reviewer

PAGE: Final = "/care"
A_YEAR_S: Final = 365 * 86_400

router = APIRouter()


@router.get(PAGE, include_in_schema=False)
def care(request: Request, person: Reviewer, parts: Parts) -> Response:
    """The person's own numbers and settings; nobody else sees them."""
    return _page(request, parts, person)


@router.post(PAGE + "/break")
def saw_suggestion(request: Request, person: Reviewer, parts: Parts) -> Response:
    """The suggested break was taken or declined; the next one is suggested later."""
    parts.exposure.note_break(person.name)
    return RedirectResponse("/work", 303)


@router.post(PAGE + "/categories")
async def set_categories(request: Request, person: Reviewer, parts: Parts) -> Response:
    """Opts out of policies: unticked ones are not given to this person."""
    form = await request.form()
    wanted = {str(code) for code in form.getlist("policy")}
    return await run_sync(_store_categories, request, parts, person, wanted)


@router.post(PAGE + "/keys")
async def set_keys(request: Request, person: Reviewer, parts: Parts) -> Response:
    """Remaps keys, or switches shortcuts off."""
    form = await request.form()
    keys = {action: str(form.get(f"key.{action}", "")) for action in ACTIONS}
    if form.get("defaults"):
        keys = {action: key for action, (key, _) in ACTIONS.items()}
    return await run_sync(_store_keys, request, parts, person, keys, form.get("on") == "yes")


@router.post(PAGE + "/theme")
def set_theme(
    request: Request,
    person: Reviewer,
    theme: Annotated[str, Form(max_length=10)] = "auto",
) -> Response:
    """Chooses light or dark for this browser, or what the system says."""
    response = RedirectResponse(PAGE, 303)
    set_cookie(request, response, THEME, theme if theme in THEMES else "auto", A_YEAR_S)
    return response


def _store_categories(
    request: Request, parts: ConsoleParts, person: Person, wanted: set[str]
) -> Response:
    active = {policy.code for policy in parts.policies.current().policies if policy.active}
    without = active - wanted
    if not active - without:
        text = "Keep at least one category, or there is nothing to give you."
        return _page(request, parts, person, problem=text, status_code=422)
    parts.preferences.set_without(person.name, without)
    return RedirectResponse(PAGE, 303)


def _store_keys(
    request: Request, parts: ConsoleParts, person: Person, keys: dict[str, str], on: bool
) -> Response:
    try:
        parts.preferences.set_keys(person.name, keys, on)
    except ShortcutRejected as error:
        typed = Preferences(keys, on)
        text = f"{error}. Nothing was changed."
        return _page(request, parts, person, problem=text, typed=typed, status_code=422)
    return RedirectResponse(PAGE + "#keys", 303)


def _page(
    request: Request,
    parts: ConsoleParts,
    person: Person,
    *,
    problem: str = "",
    typed: Preferences | None = None,
    status_code: int = 200,
) -> Response:
    stored = parts.preferences.of(person.name)
    policies = [policy for policy in parts.policies.current().policies if policy.active]
    return render(
        request,
        "care.html",
        status_code=status_code,
        exposure=parts.exposure.of(person.name),
        policies=policies,
        preferences=stored,
        keys=(typed or stored).keys,
        keys_on=(typed or stored).keys_on,
        actions=ACTIONS,
        themes=THEMES,
        problem=problem,
    )
