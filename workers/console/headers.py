"""Headers of every answer: what a page may load, and that nothing is kept."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
}
TRANSPORT: Final = "max-age=31536000"
STATIC: Final = "/static/"
KEPT: Final = "public, max-age=31536000, immutable"
FILES: Final = frozenset({200, 206, 304})
"""Statuses of a file; below /static anything else is a page, which may name who asked."""


def secure(
    headers: MutableHeaders, path: str, https: bool, status: int, versioned: bool = False
) -> None:
    """Adds what is missing. Only files under /static may be kept by a browser.

    Args:
        headers: Of the answer.
        path: That was asked for.
        https: Whether browsers come over https.
        status: Of the answer.
        versioned: Whether the address names the file's digest, so that it never changes.
    """
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if path.startswith(STATIC) and status in FILES:
        headers.setdefault("Cache-Control", KEPT if versioned else "no-cache")
    else:
        headers["Cache-Control"] = "no-store"
    if https:
        headers.setdefault("Strict-Transport-Security", TRANSPORT)


class SecureHeaders:
    """Adds the headers to every answer that passes."""

    def __init__(self, app: ASGIApp, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                secure(
                    MutableHeaders(scope=message),
                    scope["path"],
                    self._https,
                    message["status"],
                    scope["query_string"].startswith(b"v="),
                )
            await send(message)

        await self._app(scope, receive, send_secured)
