"""Cookies of the console: names and flags in one place.

Over https a name begins with `__Host-`, which binds the cookie to this host, the whole path and
encrypted connections. On plain http, which is served on loopback only, the name has no prefix:
not every browser keeps a `Secure` cookie that came over http from its own machine.
"""

from __future__ import annotations

from starlette.requests import HTTPConnection
from starlette.responses import Response


def is_https(connection: HTTPConnection) -> bool:
    """Whether browsers reach the console over https, by its own settings."""
    url: str | None = connection.app.state.parts.settings.public_url
    return bool(url and url.startswith("https:"))


def cookie_name(connection: HTTPConnection, name: str) -> str:
    return f"__Host-flagpost-{name}" if is_https(connection) else f"flagpost-{name}"


def read_cookie(connection: HTTPConnection, name: str) -> str | None:
    return connection.cookies.get(cookie_name(connection, name))


def set_cookie(
    connection: HTTPConnection,
    response: Response,
    name: str,
    value: str,
    max_age_s: int | None = None,
) -> None:
    """Sets a cookie that scripts cannot read.

    Args:
        connection: What is answered.
        response: The answer.
        name: Without prefix.
        value: Its value.
        max_age_s: How long it lasts; until the browser ends where None.
    """
    response.set_cookie(
        cookie_name(connection, name),
        value,
        max_age=max_age_s,
        secure=is_https(connection),
        httponly=True,
        samesite="lax",
    )


def drop_cookie(connection: HTTPConnection, response: Response, name: str) -> None:
    response.delete_cookie(
        cookie_name(connection, name),
        secure=is_https(connection),
        httponly=True,
        samesite="lax",
    )
