"""The console as a web application: its routes, its guards, and what it says when things fail."""

from __future__ import annotations

import importlib
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.staticfiles import StaticFiles

from workers.console.body import LimitedBody
from workers.console.failures import FAILURES
from workers.console.forms import guard
from workers.console.headers import SecureHeaders
from workers.console.parts import ConsoleParts

ROUTERS: Final = (
    "signin", "work", "looking", "care", "media", "events", "api",
    "board", "quality", "policy_pages", "history", "guide", "staff",
)  # fmt: skip
LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
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
        dependencies=[Depends(guard)],
        exception_handlers=FAILURES,  # type: ignore[arg-type]
        middleware=[
            Middleware(SecureHeaders, https=https),
            Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(parts), www_redirect=False),
            Middleware(LimitedBody),
        ],
    )
    app.state.parts = parts
    for name in ROUTERS:
        _include(app, name)
    static = files("workers.console") / "static"
    app.mount("/static", StaticFiles(directory=str(static)), name="static")
    return app


def _include(app: FastAPI, name: str) -> None:
    module = f"workers.console.{name}"
    try:
        router = importlib.import_module(module).router
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("workers."):
            raise
        return
    except AttributeError:
        return
    app.include_router(router, include_in_schema=name == "api")


def _hosts(parts: ConsoleParts) -> list[str]:
    """Names that may stand in an address: another name that leads here is no way in."""
    public = parts.settings.public_url
    own = [urlsplit(public).hostname or ""] if public else list(LOOPBACK)
    return [*own, *parts.settings.hosts]
