"""What the console says when it cannot do something: a page for people, JSON for programs."""

from __future__ import annotations

import logging
from typing import Any, Final
from urllib.parse import quote

from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from workers.console.access import Denied, NotSignedIn, is_api, signed_in
from workers.console.cookies import is_https
from workers.console.forms import FIELD, RequestForged
from workers.console.headers import secure
from workers.console.pages import render
from workers.console.people import Person
from workers.console.proxy import ProxyRefused
from workers.console.rates import TooMany
from workers.console.signing import AddressRefused
from workers.errors import (
    AuditUnavailable,
    ConfigurationRejected,
    EvidenceUnavailable,
    QueueUnavailable,
    Retryable,
    WorkerError,
)

logger = logging.getLogger(__name__)
RETRY_AFTER_S: Final = 5
KEPT_CHARACTERS: Final = 200_000


async def answer(
    request: Request, status: int, title: str, text: str, keep: bool = False
) -> Response:
    """A page or a problem document, by who asks; with `keep`, the page holds what was typed."""
    if is_api(request):
        return problem(status, title, text)
    if not hasattr(request.state, "person") and status < 500:
        request.state.person = await run_sync(_person, request)
    response: Response = render(
        request,
        "message.html",
        status_code=status,
        heading=title,
        text=text,
        kept=await _typed(request) if keep else {},
        again=request.url.path,
    )
    return response


def _person(request: Request) -> Person | None:
    """Who is signed in, for the page's navigation."""
    try:
        return signed_in(request)
    except WorkerError:
        return None


def problem(status: int, title: str, text: str, **more: Any) -> JSONResponse:
    """An RFC 9457 problem document."""
    return JSONResponse(
        {"type": "about:blank", "title": title, "status": status, "detail": text, **more},
        status_code=status,
        media_type="application/problem+json",
    )


async def _typed(request: Request) -> dict[str, str]:
    """What a refused form held, so that nobody types it again."""
    if request.method != "POST" or not request.headers.get("content-type", "").startswith(
        "application/x-www-form-urlencoded"
    ):
        return {}
    form = await request.form()
    return {
        name: value[:KEPT_CHARACTERS]
        for name, value in form.items()
        if isinstance(value, str) and name not in (FIELD, "password")
    }


async def _not_signed_in(request: Request, error: Exception) -> Response:
    if is_api(request):
        response: Response = problem(401, "Not signed in", str(error))
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    target = request.url.path if request.method == "GET" else "/"
    if not any(kind in request.headers.get("accept", "*/*") for kind in ("text/html", "*/*")):
        return Response(str(error), 401, media_type="text/plain")
    return RedirectResponse(f"/signin?next={quote(target)}", 303)


async def _denied(request: Request, error: Exception) -> Response:
    return await answer(request, 403, "Not allowed", str(error), keep=True)


async def _forged(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestForged)
    # What another site sent is not offered for sending again.
    text = f"Nothing was changed: {error}."
    return await answer(request, 403, "Not taken", text, keep=error.is_own)


async def _queue_away(request: Request, error: Exception) -> Response:
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    text = (
        "The queue does not answer. Nothing is known of it now: it is not empty. "
        "What you typed is kept below; try again in a moment."
    )
    response = await answer(request, 503, "The queue is unavailable", text, keep=True)
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


async def _audit_away(request: Request, error: Exception) -> Response:
    logger.error("%s %s: %s", request.method, request.url.path, error)
    text = (
        "The audit log takes no entry. Nothing was shown unblurred; anything else may have been "
        "done without one. Tell whoever runs the console. Trying again is safe: a verdict is "
        "written once."
    )
    return await answer(request, 503, "The audit log is unavailable", text, keep=True)


async def _evidence_away(request: Request, error: Exception) -> Response:
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    return await answer(request, 503, "The evidence is unavailable", str(error))


async def _far_side_away(request: Request, error: Exception) -> Response:
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    text = "A service that this needs does not answer. Try again in a moment."
    return await answer(request, 503, "Unavailable", text, keep=True)


async def _too_many(request: Request, error: Exception) -> Response:
    response = await answer(request, 429, "Too often", f"{error}.", keep=True)
    response.headers["Retry-After"] = "60"
    return response


async def _bad_address(request: Request, error: Exception) -> Response:
    return await answer(request, 403, "This address does not work", str(error))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = [
        {"where": ".".join(str(part) for part in one["loc"]), "what": one["msg"]}
        for one in error.errors()
    ]
    if is_api(request):
        return problem(422, "Not understood", "The request does not fit.", errors=found)
    text = "; ".join(f"{one['where']}: {one['what']}" for one in found[:5])
    return await answer(request, 422, "Not understood", text)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    title = "Not found" if error.status_code == 404 else "Not possible"
    text = "There is nothing at this address." if error.status_code == 404 else str(error.detail)
    response = await answer(request, error.status_code, title, text)
    response.headers.update(error.headers or {})
    return response


async def _misconfigured(request: Request, error: Exception) -> Response:
    logger.error("%s %s: %s", request.method, request.url.path, error)
    text = "The console is not set up for this. Its log says what is missing."
    return await answer(request, 503, "Not set up", text)


async def _unexpected(request: Request, error: Exception) -> Response:
    """Runs outside all middleware, so it brings its own headers. The server logs the error."""
    text = "Something failed that should not. It is logged; nothing you typed was sent on."
    response = await answer(request, 500, "An error", text)
    secure(response.headers, request.url.path, is_https(request), response.status_code)
    return response


FAILURES: Final = {
    NotSignedIn: _not_signed_in,
    Denied: _denied,
    ProxyRefused: _denied,
    RequestForged: _forged,
    QueueUnavailable: _queue_away,
    AuditUnavailable: _audit_away,
    EvidenceUnavailable: _evidence_away,
    Retryable: _far_side_away,
    ConfigurationRejected: _misconfigured,
    TooMany: _too_many,
    AddressRefused: _bad_address,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: _unexpected,
}
