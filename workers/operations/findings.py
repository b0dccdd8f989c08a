"""What a check found: one line for people, one object for machines, and what mends it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from workers.lifecycle import EXIT_CONFIGURATION, EXIT_FAILED, EXIT_OK


class Standing(StrEnum):
    """How bad it is; sets the exit code of a command."""

    GOOD = "good"
    NOTE = "note"
    """Works, but somebody should know."""
    WRONG = "wrong"
    """Would lose data, or keep a worker from starting."""
    UNREACHABLE = "unreachable"


_STYLES: Final = {
    Standing.GOOD: "green",
    Standing.NOTE: "yellow",
    Standing.WRONG: "red",
    Standing.UNREACHABLE: "red",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: What was looked at, such as `topic flagpost.frames`.
        standing: How it is.
        fact: What was found and, unless good, what was expected.
        mend: A command or a setting that mends it; empty where nothing is to do.
    """

    subject: str
    standing: Standing
    fact: str
    mend: str = ""


def exit_code(findings: Sequence[Finding]) -> int:
    """0 all good, 1 something is wrong, 3 something does not answer."""
    standings = {finding.standing for finding in findings}
    if Standing.UNREACHABLE in standings:
        return EXIT_CONFIGURATION
    return EXIT_FAILED if Standing.WRONG in standings else EXIT_OK


def show(findings: Sequence[Finding], wants_json: bool) -> None:
    """Prints findings on stdout: a table, or one JSON object a line."""
    if wants_json:
        for finding in findings:
            click.echo(json.dumps(asdict(finding)))
        return
    table = Table("what", "", "found", "what mends it", show_edge=False)
    for finding in findings:
        mark = f"[{_STYLES[finding.standing]}]{finding.standing}[/]"
        table.add_row(finding.subject, mark, finding.fact, finding.mend)
    # Without a terminal a narrow default would cut commands in half.
    console = Console()
    Console(width=None if console.is_terminal else 160).print(table)
