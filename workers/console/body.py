"""A limit on what a request may send, before anything reads it."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY: Final = 1 << 20
"""Bytes. The longest note that is answered politely, 100,000 characters, stays below it."""


class LimitedBody:
    """Answers 413 to a body that is too long, and reads no more of it."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdigit() or int(announced) > self._limit:
            await PlainTextResponse(self._text, 413)(scope, receive, send)
            return
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self._limit:
                raise HTTPException(413, self._text)
            return message

        await self._app(scope, counted, send)

    @property
    def _text(self) -> str:
        return f"A request may have {self._limit} bytes at most."
