"""Commands about people: one-time links, local users, revocation, tokens of programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import click
from rich.console import Console
from rich.table import Table

from workers.console.links import PATH
from workers.console.parts import ConsoleParts, made_parts
from workers.console.people import Role, known_roles
from workers.console.staff import change_roles
from workers.console.state import ConsoleState
from workers.settings import ConsoleSettings, EvidenceSettings, RedisSettings, read_settings

HUMAN = [role.value for role in Role if role is not Role.SERVICE]
name_option = click.option("--name", required=True, help="A pseudonym; decisions carry it.")
roles_option = click.option(
    "--role", "roles", multiple=True, type=click.Choice(HUMAN), help="May be given again."
)


@click.command(epilog="Example: flagpost console link --name ana --role reviewer --role senior")
@name_option
@roles_option
@click.option("--minutes", type=click.FloatRange(min=0.1, max=1440), help="How long it works.")
@click.option("--address", help="The console's.  [default: the running one's]")
@click.option("--json", "wants_json", is_flag=True, help="One JSON object on stdout.")
def link(
    name: str,
    roles: tuple[str, ...],
    minutes: float | None,
    address: str | None,
    wants_json: bool,
) -> None:
    """Make an address that signs somebody in once.

    With no --role, the roles of the person of this name, or reviewer.
    """
    with _parts() as parts:
        settings = parts.settings
        entry = parts.people.find(name)
        wanted = known_roles(roles) or (entry.roles if entry else frozenset({Role.REVIEWER}))
        lifetime = timedelta(minutes=minutes) if minutes else settings.link_lifetime
        token = parts.links.make(name, wanted, lifetime)
        parts.audit.append("command", "link.make", name, roles=",".join(sorted(wanted)))
    base = address or settings.public_url or _running(settings)
    found = f"{base.rstrip('/')}{PATH}{token}"
    click.echo(json.dumps({"link": found, "name": name}) if wants_json else found)


@click.group(epilog="Example: flagpost console people add --name ana --role reviewer")
def people() -> None:
    """Local people: who may sign in with a password, in which roles."""


@people.command("add", epilog="Example: flagpost console people add --name ana --role reviewer")
@name_option
@roles_option
@click.option("--title", default="", help="Shown to the person alone.")
@click.option("--no-password", is_flag=True, help="For somebody who signs in by link only.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def add(
    name: str, roles: tuple[str, ...], title: str, no_password: bool, password_stdin: bool
) -> None:
    """Add somebody; asks for a password."""
    password = None if no_password else _password(password_stdin)
    with _parts() as parts:
        parts.people.add(name, known_roles(roles), title, password)
        parts.audit.append("command", "people.add", name, roles=",".join(sorted(roles)))
    click.echo(f"{name} added")


@people.command("set-password", epilog="Example: flagpost console people set-password ana")
@click.argument("name")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def set_password(name: str, password_stdin: bool) -> None:
    """Give somebody another password, and end their sessions."""
    password = _password(password_stdin)
    with _parts() as parts:
        parts.people.set_password(name, password)
        _revoke(parts, name)
        parts.audit.append("command", "people.set-password", name)
    click.echo(f"{name}: password changed")


@people.command("list", epilog="Example: flagpost console people list --json")
@click.option("--json", "wants_json", is_flag=True, help="One JSON list on stdout.")
def list_people(wants_json: bool) -> None:
    """List local people, and who is signed in."""
    with _parts() as parts:
        sessions = parts.sessions.signed_in()
        known = {person.name: person.roles for person in parts.people.all()}
    for session in sessions:
        known.setdefault(session.name, session.roles)
    rows = [
        {
            "name": name,
            "roles": sorted(roles),
            "sessions": sum(1 for session in sessions if session.name == name),
        }
        for name, roles in sorted(known.items())
    ]
    if wants_json:
        click.echo(json.dumps(rows))
        return
    table = Table("name", "roles", "sessions")
    for name, roles in sorted(known.items()):
        count = sum(1 for session in sessions if session.name == name)
        table.add_row(name, ", ".join(sorted(roles)), str(count))
    Console().print(table)


@people.command("set-roles", epilog="Example: flagpost console people set-roles ana --role senior")
@click.argument("name")
@roles_option
def set_roles(name: str, roles: tuple[str, ...]) -> None:
    """Give somebody other roles, from their next request on."""
    with _parts() as parts:
        released = change_roles(parts, name, known_roles(roles))
        given = ",".join(sorted(roles))
        parts.audit.append("command", "people.set-roles", name, roles=given, released=released)
    click.echo(f"{name}: {', '.join(sorted(roles))}")


@people.command("remove", epilog="Example: flagpost console people remove ana")
@click.argument("name")
def remove(name: str) -> None:
    """Remove somebody, end their sessions and give back what they hold."""
    with _parts() as parts:
        parts.people.remove(name)
        _revoke(parts, name)
        parts.audit.append("command", "people.remove", name)
    click.echo(f"{name} removed")


@click.command(epilog="Example: flagpost console revoke ana")
@click.argument("name")
def revoke(name: str) -> None:
    """End every session of somebody, spoil their links, give back the flag they hold."""
    with _parts() as parts:
        click.echo(_revoke(parts, name))


@click.group(epilog="Example: flagpost console token add --name exporter")
def token() -> None:
    """Tokens of other programs, for the API."""


@token.command("add", epilog="Example: flagpost console token add --name exporter")
@name_option
@roles_option
def add_token(name: str, roles: tuple[str, ...]) -> None:
    """Make a token; it is shown once and kept only as a digest."""
    with _parts() as parts:
        made = parts.tokens.add(name, known_roles(roles))
        parts.audit.append("command", "token.add", name, roles=",".join(sorted(roles)))
    click.echo(made)


@token.command("list", epilog="Example: flagpost console token list")
def list_tokens() -> None:
    """List programs that have a token."""
    with _parts() as parts:
        for name, roles in parts.tokens.all().items():
            click.echo(f"{name}: {', '.join(sorted(roles))}")


@token.command("remove", epilog="Example: flagpost console token remove exporter")
@click.argument("name")
def remove_token(name: str) -> None:
    """Remove a token; it stops at once."""
    with _parts() as parts:
        parts.tokens.remove(name)
        parts.audit.append("command", "token.remove", name)
    click.echo(f"{name} removed")


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))


def _running(settings: ConsoleSettings) -> str:
    """Where the console of the same state is reached; its settings say, if it does not run."""
    try:
        return ConsoleState(settings.state).address.read_text()
    except OSError:
        return f"http://{settings.host}:{settings.port}"


def _revoke(parts: ConsoleParts, name: str) -> str:
    ended, released = parts.sessions.revoke(name)
    parts.audit.append("command", "people.revoke", name, sessions=ended, released=released)
    back = f"; flag {released} went back" if released else ""
    return f"{name}: {ended} sessions ended{back}"


@contextmanager
def _parts() -> Iterator[ConsoleParts]:
    parts = made_parts(
        read_settings(ConsoleSettings),
        read_settings(RedisSettings),
        read_settings(EvidenceSettings),
    )
    try:
        yield parts
    finally:
        parts.close()
