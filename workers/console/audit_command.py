"""`flagpost audit`: show the console's audit log, and check that it is what was written."""

from __future__ import annotations

import json
from collections import deque
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workers.console.audit import AuditBroken, entries
from workers.console.audit import verify as verified
from workers.console.state import ConsoleState
from workers.lifecycle import EXIT_FAILED
from workers.settings import ConsoleSettings, read_settings

file_argument = click.argument(
    "file", required=False, type=click.Path(path_type=Path, dir_okay=False)
)


@click.group(epilog="Example: flagpost audit verify")
def audit() -> None:
    """Show and verify the console's audit log.

    FILE is `audit.jsonl` in FLAGPOST_CONSOLE_STATE where none is given.
    """


@audit.command(epilog="Example: flagpost audit verify --head 9f86d081884c7d65...")
@file_argument
@click.option("--head", help="A hash noted earlier that must still be in the chain.")
@click.option("--json", "wants_json", is_flag=True, help="One JSON object on stdout.")
def verify(file: Path | None, head: str | None, wants_json: bool) -> None:
    """Check every entry's hash and its place in the chain.

    Prints the count and the newest hash. Note that hash elsewhere from time to time: entries cut
    off the end show only against it.
    """
    log = file or _own_log()
    try:
        count, newest = verified(log, head)
    except AuditBroken as error:
        if wants_json:
            click.echo(json.dumps({"whole": False, "problem": str(error)}))
            raise SystemExit(EXIT_FAILED) from error
        raise
    if wants_json:
        click.echo(json.dumps({"whole": True, "entries": count, "head": newest}))
    else:
        click.echo(f"{log}: whole; {count} entries, head {newest}")


@audit.command(epilog="Example: flagpost audit show --actor ana --action flag.reveal")
@file_argument
@click.option("--actor", help="Only what this person did.")
@click.option("--action", help="Only this action, or those below it (`flag`).")
@click.option("--subject", help="Only what was done to this, such as a flag's id.")
@click.option("--outcome", help="Only this outcome, such as `denied`.")
@click.option("--limit", default=50, show_default=True, help="The newest so many.")
@click.option("--json", "wants_json", is_flag=True, help="One JSON object a line.")
def show(file: Path | None, limit: int, wants_json: bool, **wanted: str | None) -> None:
    """Show entries, oldest first."""
    found = deque((e for e in entries(file or _own_log()) if _fits(e, wanted)), maxlen=limit)
    if wants_json:
        for entry in found:
            click.echo(json.dumps(entry))
        return
    table = Table("at", "who", "what", "of", "outcome", "more", box=None)
    for entry in found:
        more = ", ".join(f"{name} {value}" for name, value in entry["detail"].items() if value)
        # Strangers chose some of it: nothing may steer the terminal that shows it.
        bad = entry["outcome"] == "denied"
        values = (entry["actor"], entry["action"], entry["subject"], entry["outcome"], more)
        table.add_row(
            entry["at"][:19],
            *(Text(_printable(value)) for value in values),
            style="red" if bad else "",
        )
    Console().print(table)


def _printable(text: str) -> str:
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def _fits(entry: dict[str, Any], wanted: dict[str, str | None]) -> bool:
    for name, value in wanted.items():
        found = entry[name]
        below = name == "action" and value is not None and found.startswith(value + ".")
        if value is not None and found != value and not below:
            return False
    return True


def _own_log() -> Path:
    return ConsoleState(read_settings(ConsoleSettings).state).audit
