"""Server-rendered pages: one template environment, and what every page knows.

Every template extends `base.html`. Text is escaped always; pages hold no inline script or style,
because the console's content policy forbids both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any, Final

from fastapi import Request
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import Response
from starlette.templating import Jinja2Templates

from workers.console.cookies import read_cookie
from workers.console.forms import csrf_token
from workers.console.people import Person, Right


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the navigation; shown where the person has one of `rights`, or to everybody."""

    title: str
    path: str
    rights: tuple[Right, ...] = ()


THEME: Final = "theme"
"""Cookie of the colours that somebody chose in this browser."""
THEMES: Final = ("auto", "light", "dark")
NAVIGATION: Final = (
    Entry("Work", "/work", (Right.REVIEW,)),
    Entry("Queue", "/queue", (Right.SEE_QUEUE,)),
    Entry("Quality", "/quality", (Right.SEE_QUALITY,)),
    Entry("Policies", "/settings", (Right.SET_POLICIES,)),
    Entry("People", "/people", (Right.MANAGE_PEOPLE,)),
    Entry("My decisions", "/mine", (Right.REVIEW,)),
    Entry("Care", "/care", (Right.REVIEW,)),
    Entry("Guide", "/guide"),
)


def render(
    request: Request,
    name: str,
    *,
    status_code: int = 200,
    headers: dict[str, str] | None = None,
    **context: Any,
) -> Response:
    """A page from a template; `person` is who is signed in, or None on the sign-in page."""
    person: Person | None = getattr(request.state, "person", None)
    shared = {
        "person": person,
        "rights": frozenset(right for right in Right if person is not None and person.may(right)),
        "nav": navigation(person),
        "path": request.url.path,
        "csrf": lambda: csrf_token(request),
        "theme": theme if (theme := read_cookie(request, THEME)) in THEMES else "auto",
        "now": datetime.now(UTC),
    }
    return templates.TemplateResponse(
        request, name, shared | context, status_code=status_code, headers=headers
    )


def navigation(person: Person | None) -> Sequence[Entry]:
    """The pages that a person may open."""
    if person is None:
        return ()
    return tuple(
        entry
        for entry in NAVIGATION
        if not entry.rights or any(person.may(right) for right in entry.rights)
    )


def ago(moment: datetime, now: datetime | None = None) -> str:
    """How long ago, or how soon, in the largest unit that fits: `12 s ago`, `in 3 min`."""
    span = (now or datetime.now(UTC)) - moment
    text = lasting(abs(span))
    return f"{text} ago" if span >= timedelta(0) else f"in {text}"


def lasting(span: timedelta) -> str:
    """A duration in one unit: `0.8 s`, `45 s`, `12 min`, `3 h`, `5 days`."""
    seconds = span.total_seconds()
    if seconds < 10:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86_400:.0f} days"


def clock(moment: datetime) -> str:
    """Time of day in UTC, to the second."""
    return f"{moment.astimezone(UTC):%H:%M:%S}"


def day_and_clock(moment: datetime) -> str:
    """Day and time in UTC, to the minute."""
    return f"{moment.astimezone(UTC):%d %b %Y, %H:%M} UTC"


def iso(moment: datetime) -> str:
    """For the `datetime` attribute of `<time>`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def grouped(number: int) -> str:
    """A count with thin spaces between thousands: 12 345."""
    return f"{number:,}".replace(",", "\u202f")


def percent(share: float, digits: int = 0) -> str:
    """A share in [0, 1] as a percentage, with a thin space: 93 %."""
    return f"{share * 100:.{digits}f}\u202f%"


@cache
def asset(name: str) -> str:
    """Address of a static file with its digest, so that it may be cached for ever."""
    data = (files("workers.console") / "static" / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(data).hexdigest()[:12]}"


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("workers.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "ago": ago,
        "lasting": lasting,
        "clock": clock,
        "day_and_clock": day_and_clock,
        "iso": iso,
        "grouped": grouped,
        "percent": percent,
    }
    made.globals |= {"asset": asset, "Right": Right}
    return made


templates: Final = Jinja2Templates(env=_environment())
