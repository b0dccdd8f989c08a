"""The people page: who works here, in which roles, who is signed in; for admins.

Local people are kept in a file; where links, a provider or a proxy say the roles, the page shows
who is signed in and can end their sessions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from workers.console.access import needs
from workers.console.pages import render
from workers.console.parts import ConsoleParts, Parts
from workers.console.people import Person, Right, Role, known_roles
from workers.errors import ConfigurationRejected

HUMAN: Final = tuple(role for role in Role if role is not Role.SERVICE)
DOES: Final = {
    Role.REVIEWER: "decides flags",
    Role.SENIOR: "also decides what was escalated, and in bulk",
    Role.SUPERVISOR: "also sees quality and sets policies",
    Role.ADMIN: "manages people and policies; decides nothing",
    Role.AUDITOR: "reads counts, quality and the audit log",
}
DONE: Final = {
    "added": "{name} was added.",
    "roles": "{name} has other roles now, from the next click on.",
    "removed": "{name} was removed and signed out everywhere.",
    "revoked": "{name} was signed out everywhere. What they held went back to the queue.",
}

router = APIRouter()
Admin = Annotated[Person, Depends(needs(Right.MANAGE_PEOPLE))]
Text = Annotated[str, Form(max_length=1024)]


@dataclass(frozen=True, slots=True)
class Colleague:
    """One line of the page.

    Attributes:
        name: The pseudonym that decisions carry.
        title: What the person is called on their own page.
        roles: Roles now.
        is_local: Whether the file of people has them, so that roles can be set here.
        sessions: How many browsers are signed in.
        since: The oldest of those sign-ins.
    """

    name: str
    title: str
    roles: frozenset[Role]
    is_local: bool
    sessions: int
    since: datetime | None


@router.get("/people")
def people_page(request: Request, admin: Admin, parts: Parts) -> Response:
    """Everybody who may sign in here or is signed in."""
    said = parts.notepad.said(admin.name)
    return _page(request, parts, said=said.text if said and not said.undo else "")


@router.post("/people")
def add_person(
    request: Request,
    admin: Admin,
    parts: Parts,
    name: Text = "",
    title: Text = "",
    password: Text = "",
    role: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Adds a local person; a form that does not fit comes back as it was typed."""
    roles = known_roles(role or [])
    try:
        parts.people.add(name.strip(), roles, title.strip(), password or None)
    except ConfigurationRejected as error:
        typed = {"name": name, "title": title, "roles": roles}
        return _page(request, parts, status=422, problem=str(error), typed=typed)
    parts.audit.append(admin.name, "people.add", name, roles=",".join(sorted(roles)))
    return _done(parts, admin, "added", name.strip())


@router.post("/people/roles")
def set_roles(
    request: Request,
    admin: Admin,
    parts: Parts,
    name: Text,
    role: Annotated[list[str] | None, Form()] = None,
) -> Response:
    """Other roles, which count from that person's next request on."""
    roles = known_roles(role or [])
    try:
        _keeps_admin(admin, name, roles)
        released = change_roles(parts, name, roles)
    except ConfigurationRejected as error:
        return _page(request, parts, status=422, problem=str(error))
    given = ",".join(sorted(roles))
    parts.audit.append(admin.name, "people.set-roles", name, roles=given, released=released)
    return _done(parts, admin, "roles", name)


@router.post("/people/remove")
def remove_person(request: Request, admin: Admin, parts: Parts, name: Text) -> Response:
    """Removes a local person and ends their sessions."""
    try:
        _keeps_admin(admin, name, frozenset())
        parts.people.remove(name)
    except ConfigurationRejected as error:
        return _page(request, parts, status=422, problem=str(error))
    _revoke(parts, admin, name, "people.remove")
    return _done(parts, admin, "removed", name)


@router.post("/people/revoke")
def revoke_person(admin: Admin, parts: Parts, name: Text) -> Response:
    """Ends every session of somebody; what they hold goes back."""
    _revoke(parts, admin, name, "people.revoke")
    return _done(parts, admin, "revoked", name)


def change_roles(parts: ConsoleParts, name: str, roles: frozenset[Role]) -> str | None:
    """Gives somebody other roles; the id of the flag that they held and may not decide any more.

    Raises:
        ConfigurationRejected: There is no such person, or no such role for people.
    """
    before = parts.people.find(name)
    after = parts.people.set_roles(name, roles)
    had = Person(name, before.roles).pools if before else ()
    if set(had) <= set(Person(name, after.roles).pools):
        return None
    return parts.desk.release_all(name, "another role")


def colleagues(parts: ConsoleParts) -> Sequence[Colleague]:
    """Local people and whoever is signed in, by name."""
    local = {person.name: person for person in parts.people.all()}
    live = parts.sessions.signed_in()
    found = []
    for name in sorted(local.keys() | {session.name for session in live}):
        own = [session for session in live if session.name == name]
        entry = local.get(name)
        roles = entry.roles if entry else frozenset().union(*(one.roles for one in own))
        title = entry.title if entry else own[0].title
        since = min((session.began_at for session in own), default=None)
        found.append(Colleague(name, title, roles, entry is not None, len(own), since))
    return found


def _page(
    request: Request,
    parts: ConsoleParts,
    status: int = 200,
    said: str = "",
    problem: str = "",
    typed: Mapping[str, object] | None = None,
) -> Response:
    return render(
        request,
        "people.html",
        status_code=status,
        colleagues=colleagues(parts),
        roles=[(role, DOES[role]) for role in HUMAN],
        way=parts.settings.sign_in,
        said=said,
        problem=problem,
        typed=typed or {"name": "", "title": "", "roles": frozenset()},
    )


def _keeps_admin(admin: Person, name: str, roles: frozenset[Role]) -> None:
    """Refuses that admins lock themselves out."""
    if name == admin.name and Role.ADMIN in admin.roles and Role.ADMIN not in roles:
        raise ConfigurationRejected(
            f"{name} is you: you would lock yourself out; ask another admin to do it"
        )


def _revoke(parts: ConsoleParts, admin: Person, name: str, action: str) -> None:
    ended, released = parts.sessions.revoke(name)
    parts.audit.append(admin.name, action, name[:200], sessions=ended, released=released)


def _done(parts: ConsoleParts, admin: Person, what: str, name: str) -> Response:
    parts.notepad.say(admin.name, DONE[what].format(name=name[:200]))
    return RedirectResponse("/people", 303)
