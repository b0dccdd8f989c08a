"""The console as a web application: its routes, its guards, and what it says when things fail."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from workers.console import (
    api,
    board,
    care,
    events,
    guide,
    handing,
    history,
    media,
    policy_pages,
    quality,
    reveal,
    signin,
    staff,
    streams,
    work,
)
from workers.console.failures import FAILURES
from workers.console.forms import MAX_BODY, guard
from workers.console.headers import SecureHeaders
from workers.console.parts import ConsoleParts
from workers.settings import ConsoleSettings

PAGES: Final = (
    signin, work, handing, reveal, care, media, events,
    board, streams, quality, policy_pages, history, guide, staff,
)  # fmt: skip
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
OIDC_LIMIT_S: Final = 600
"""How long somebody may take at the identity provider."""
OPENAPI: Final = "/api/v1/openapi.json"


def create_app(parts: ConsoleParts) -> FastAPI:
    """The whole application over its parts, which the caller closes."""
    settings = parts.settings
    https = bool(settings.public_url and settings.public_url.startswith("https:"))
    app = FastAPI(
        title="Flagpost review console",
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url=OPENAPI,
        max_body_size=MAX_BODY,
        form_limits={"max_part_size": MAX_BODY},
        dependencies=[Depends(guard)],
        exception_handlers=FAILURES,  # type: ignore[arg-type]
        middleware=[
            Middleware(SecureHeaders, https=https),
            Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(parts), www_redirect=False),
        ],
    )
    app.state.parts = parts
    if settings.sign_in == "oidc":
        _add_provider(app, settings, https)
    for page in PAGES:
        app.include_router(page.router, include_in_schema=False)
    app.include_router(api.router)
    static = files("workers.console") / "static"
    app.mount("/static", StaticFiles(directory=str(static)), name="static")
    return app


def _add_provider(app: FastAPI, settings: ConsoleSettings, https: bool) -> None:
    """Routes of the identity provider, and the short cookie that holds a sign-in on its way."""
    from workers.console import oidc  # Authlib only where it is used

    app.state.provider = oidc.Provider(settings)
    app.add_middleware(
        SessionMiddleware,
        secret_key=hashlib.sha256(b"oidc\0" + app.state.parts.secret).hexdigest(),
        session_cookie="__Host-flagpost-oidc" if https else "flagpost-oidc",
        max_age=OIDC_LIMIT_S,
        same_site="lax",
        https_only=https,
    )
    app.include_router(oidc.router, include_in_schema=False)


def _hosts(parts: ConsoleParts) -> list[str]:
    """Names that may stand in an address: another name that leads here is no way in."""
    public = parts.settings.public_url
    own = [urlsplit(public).hostname or ""] if public else list(LOOPBACK)
    return [*own, *parts.settings.hosts]
