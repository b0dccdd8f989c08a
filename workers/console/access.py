"""Who asks, and whether they may: dependencies that every route of the console builds on.

Roles are read anew with each request, so that somebody who lost a role stops at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import Depends, Request

from workers.console.cookies import read_cookie
from workers.console.parts import ConsoleParts, parts_of
from workers.console.people import Person, Right, Role
from workers.console.proxy import ProxyRefused, address_of, person_from_proxy
from workers.console.rates import Kind
from workers.console.sessions import Session
from workers.errors import WorkerError

SESSION: Final = "session"
"""Name of the session's cookie, without its prefix."""
API: Final = "/api/"
UNATTENDED: Final = "X-Unattended"
"""Header of what a page asks for by itself: nobody need sit before it. It can only end a session
sooner, so anybody may send it."""
EVENTS: Final = "text/event-stream"
"""What a browser accepts that comes back for more events by itself."""


class NotSignedIn(WorkerError):
    """Nobody is signed in; the text says why when something ended."""


class Denied(WorkerError):
    """Somebody is signed in and may not do this."""

    def __init__(self, person: Person, text: str) -> None:
        super().__init__(text)
        self.person = person


def is_api(request: Request) -> bool:
    return request.url.path.startswith(API)


def bearer_token(request: Request) -> str | None:
    """The token of a program; only the API takes one."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and is_api(request) else None


def signed_in(request: Request) -> Person:
    """Who asks.

    Raises:
        NotSignedIn: Nobody, or a session that ended.
        QueueUnavailable: Redis does not answer, so nobody knows.
    """
    parts = parts_of(request)
    if (token := bearer_token(request)) is not None:
        found = parts.tokens.find(token)
        if found is None:
            log_refusal(request, "access", "unknown token")
            raise NotSignedIn("this token is not known here")
    elif parts.settings.sign_in == "proxy":
        try:
            found = person_from_proxy(request, parts)
        except ProxyRefused as error:
            log_refusal(request, "access", str(error))
            raise
    else:
        found = _from_session(request, parts)
    request.state.person = found
    return found


Signed = Annotated[Person, Depends(signed_in)]


def log_refusal(request: Request, action: str, why: str) -> None:
    """Writes what a stranger was refused to the audit log.

    Raises:
        TooMany: This address was refused too often; that is no longer written.
        AuditUnavailable: It could not be written.
    """
    parts = parts_of(request)
    parts.rates.count(Kind.REFUSAL, address_of(request))
    parts.audit.append("anonymous", action, request.url.path[:500], "denied", why=why)


def needs(right: Right) -> Callable[..., Awaitable[Person]]:
    """A dependency that gives the person, if they have a right; a refusal is logged."""

    async def check(request: Request, person: Signed) -> Person:
        if not person.may(right):
            await run_sync(_log_denied, request, person, right)
            raise Denied(person, _refusal(request, right))
        return person

    return check


def _log_denied(request: Request, person: Person, right: Right) -> None:
    parts_of(request).audit.append(
        person.name,
        "access",
        request.url.path[:500],
        "denied",
        right=right.name,
        method=request.method,
    )


def _refusal(request: Request, right: Right) -> str:
    session: Session | None = getattr(request.state, "session", None)
    had = session is not None and Person(session.name, session.roles).may(right)
    if had:
        return (
            f"Your roles changed since you signed in: you may no longer {right.value}. "
            "Ask an admin, or sign in again."
        )
    return f"You may not {right.value} with the roles you have."


def _from_session(request: Request, parts: ConsoleParts) -> Person:
    token = read_cookie(request, SESSION)
    if token is None:
        raise NotSignedIn("sign in first")
    session = parts.sessions.find(token, wakes=not _is_unattended(request))
    if session is None:
        raise NotSignedIn("your session ended; sign in again")
    request.state.session = session
    roles = _roles_now(parts, session)
    if roles is None or session.way != parts.settings.sign_in:
        parts.sessions.close(session)
        raise NotSignedIn("your account was removed")
    return Person(session.name, roles, session.title or session.name, session.key)


def _is_unattended(request: Request) -> bool:
    return UNATTENDED in request.headers or request.headers.get("accept") == EVENTS


def _roles_now(parts: ConsoleParts, session: Session) -> frozenset[Role] | None:
    """What the source of the roles says now; None for somebody it no longer knows.

    A link, like an identity provider, says the roles at sign-in; an entry among the local people
    overrules a link.
    """
    if session.way == "oidc":
        return session.roles
    entry = parts.people.find(session.name)
    if session.way == "local":
        return entry.roles if entry else None
    return entry.roles if entry else session.roles
