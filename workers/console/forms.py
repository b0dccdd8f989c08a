"""Guards of everything that changes something: a token in the form, and where it came from.

Both are checked on every unsafe method, before the route runs. The token is derived from the
session's cookie, so it needs no storage and works while Redis is away.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from typing import Final
from urllib.parse import urlsplit

from anyio.to_thread import run_sync
from fastapi import Request

from workers.console.access import SESSION, bearer_token, log_refusal
from workers.console.cookies import read_cookie
from workers.console.parts import parts_of
from workers.console.proxy import ProxyRefused, person_from_proxy
from workers.errors import WorkerError

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
FIELD: Final = "csrf"
HEADER: Final = "X-CSRF-Token"
BEFORE: Final = "before"
"""Cookie that stands in for the session's before there is one."""
MAX_BODY: Final = 2 << 20
"""Bytes. The longest note that is answered politely, 100,000 characters, stays below it even where
each takes four bytes, and a form three for each of those."""
FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data")


class RequestForged(WorkerError):
    """A change was asked for from elsewhere, or by a page that is too old.

    Attributes:
        is_own: Whether the browser says that a page of this console sent it.
    """

    def __init__(self, text: str, is_own: bool) -> None:
        super().__init__(text)
        self.is_own = is_own


def csrf_token(request: Request) -> str:
    """The token for the forms of a page; empty where nothing binds it."""
    bound_to = getattr(request.state, BEFORE, None) or _binding(request)
    if not bound_to:
        return ""
    return token_for(parts_of(request).secret, bound_to)


def token_for(secret: bytes, bound_to: str) -> str:
    """The token of one browser: of its session's cookie, or of the one before it."""
    return hmac.new(secret, b"csrf\0" + bound_to.encode(), hashlib.sha256).hexdigest()


async def guard(request: Request) -> None:
    """Refuses a change that this console's own pages did not ask for; a refusal is logged.

    Raises:
        RequestForged: Says what did not fit.
    """
    if request.method in SAFE or bearer_token(request) is not None:
        return
    problem = origin_problem(request) or await _token_problem(request)
    if problem:
        await run_sync(partial(log_refusal, request, "forged", problem))
        raise RequestForged(problem, is_own=_says_own(request))


def origin_problem(request: Request) -> str | None:
    """What is wrong with where a request came from; None if nothing."""
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        return f"the request came from another site ({site})"
    origin = request.headers.get("origin")
    if origin == "null" and site == "same-origin":
        # Browsers send this for forms of a page whose referrer policy is `no-referrer`.
        return None
    if origin is not None and origin != own_origin(request):
        return "the request came from another origin"
    return None


def _says_own(request: Request) -> bool:
    own = request.headers.get("origin") == own_origin(request)
    return (own or request.headers.get("sec-fetch-site") == "same-origin") and not (
        origin_problem(request)
    )


def own_origin(request: Request) -> str:
    """What browsers call this console: the public address, or the host they asked for."""
    public = parts_of(request).settings.public_url
    if public:
        parts = urlsplit(public)
        return f"{parts.scheme}://{parts.netloc}"
    return f"{request.url.scheme}://{request.headers.get('host', '')}"


async def _token_problem(request: Request) -> str | None:
    given = request.headers.get(HEADER)
    kind = request.headers.get("content-type", "")
    if given is None and kind.startswith(FORM_TYPES):
        field = (await request.form(max_part_size=MAX_BODY)).get(FIELD)
        given = field if isinstance(field, str) else None
    expected = csrf_token(request)
    if not given:
        return "the form carries no token"
    if not expected or not hmac.compare_digest(given.encode(), expected.encode()):
        return "the form's token is not of this session; open the page again"
    return None


def _binding(request: Request) -> str | None:
    """What ties a token to one browser: the session, or the cookie from before it.

    Behind a proxy that signs people in there is no session of ours; whom it names stands in.
    """
    parts = parts_of(request)
    if parts.settings.sign_in == "proxy":
        try:
            return person_from_proxy(request, parts).session
        except ProxyRefused:
            return None
    return read_cookie(request, SESSION) or read_cookie(request, BEFORE)
