"""Signing in and out: one way of four, chosen in the settings."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from workers.console.access import SESSION, NotSignedIn, signed_in
from workers.console.cookies import drop_cookie, read_cookie, set_cookie
from workers.console.forms import BEFORE
from workers.console.links import PATH, LinkRefused
from workers.console.pages import render
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Role
from workers.console.proxy import ProxyRefused, address_of
from workers.console.rates import Kind

router = APIRouter()
MAX_NEXT: Final = 500
MAX_TOKEN: Final = 200


@router.get("/signin")
def sign_in_page(request: Request, parts: Parts, next: str = "/") -> Response:
    """The form of the way that the settings name."""
    if _is_signed_in(request):
        return RedirectResponse(own_path(next), 303)
    return _page(request, parts, next=own_path(next))


@router.get(PATH + "{token}")
def link_page(request: Request, parts: Parts, token: str) -> Response:
    """What a one-time link opens: a button. Opening it uses nothing up, so no preview can."""
    return _page(request, parts, token=token[:MAX_TOKEN])


@router.post("/signin/link")
def by_link(
    request: Request, parts: Parts, token: Annotated[str, Form(max_length=MAX_TOKEN)] = ""
) -> Response:
    """Uses a one-time link; the page before it did not, so no preview can."""
    needs_way(parts, "link")
    parts.rates.count(Kind.SIGN_IN, address_of(request))
    try:
        link = parts.links.use(token)
    except LinkRefused as error:
        return refused(request, parts, "link", str(error))
    entry = parts.people.find(link.name)
    roles, title = (entry.roles, entry.title) if entry else (link.roles, "")
    return start_session(request, parts, link.name, roles, title, "/")


@router.post("/signin/local")
def by_password(
    request: Request,
    parts: Parts,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=4000)] = "",
    next: Annotated[str, Form(max_length=MAX_NEXT)] = "/",
) -> Response:
    """Checks a password; attempts are counted by address and by name."""
    needs_way(parts, "local")
    parts.rates.count(Kind.SIGN_IN, address_of(request))
    parts.rates.count(Kind.SIGN_IN_NAME, name[:100])
    person = parts.people.check(name, password)
    if person is None:
        parts.audit.append("anonymous", "sign-in", name[:100], "denied", way="local")
        text = "Name and password do not fit together."
        return _page(request, parts, status=403, problem=text, who=name, next=own_path(next))
    return start_session(request, parts, person.name, person.roles, person.title, own_path(next))


@router.post("/signout")
def sign_out(request: Request, parts: Parts) -> Response:
    """Ends the session; a flag that is held goes back."""
    response = RedirectResponse("/signin", 303)
    token = read_cookie(request, SESSION)
    session = parts.sessions.find(token) if token else None
    if session is not None:
        released = parts.sessions.close(session)
        parts.audit.append(session.name, "sign-out", session.key, released=released)
    drop_cookie(request, response, SESSION)
    return response


def start_session(
    request: Request,
    parts: ConsoleParts,
    name: str,
    roles: frozenset[Role],
    title: str,
    then: str,
) -> Response:
    """Opens a session under a new secret, whatever cookie came, and goes on to a page."""
    way = parts.settings.sign_in
    old = read_cookie(request, SESSION)
    if old and (found := parts.sessions.find(old)) is not None:
        parts.sessions.close(found)
    parts.audit.append(name, "sign-in", outcome="ok", way=way, roles=",".join(sorted(roles)))
    token = parts.sessions.open(name, roles, title, way)
    response = RedirectResponse(then, 303)
    limit_s = int(parts.settings.session_limit.total_seconds())
    set_cookie(request, response, SESSION, token, limit_s)
    drop_cookie(request, response, BEFORE)
    return response


def refused(
    request: Request, parts: ConsoleParts, way: str, text: str, why: str | None = None
) -> Response:
    """Says why a sign-in was refused, and logs it.

    Raises:
        TooMany: This address was refused too often; that is no longer written.
    """
    parts.rates.count(Kind.REFUSAL, address_of(request))
    parts.audit.append("anonymous", "sign-in", way, "denied", why=why or text)
    return _page(request, parts, status=403, problem=text)


def own_path(target: str) -> str:
    """A path of this console, or `/`: a sign-in must not lead to another site."""
    plain = target.isprintable() and "\\" not in target and len(target) <= MAX_NEXT
    return target if plain and target.startswith("/") and not target.startswith("//") else "/"


def _page(request: Request, parts: ConsoleParts, status: int = 200, **context: str) -> Response:
    before = read_cookie(request, BEFORE) or secrets.token_urlsafe(16)
    request.state.before = before
    shown: dict[str, Any] = {"problem": "", "next": "/", "token": "", "who": ""} | context
    response = render(
        request, "signin.html", status_code=status, way=parts.settings.sign_in, **shown
    )
    set_cookie(request, response, BEFORE, before, 3600)
    return response


def _is_signed_in(request: Request) -> bool:
    try:
        signed_in(request)
    except (NotSignedIn, ProxyRefused):
        return False
    return True


def needs_way(parts: ConsoleParts, way: str) -> None:
    if parts.settings.sign_in != way:
        raise NotSignedIn(f"this console does not sign people in by {way}")
