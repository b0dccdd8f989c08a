"""Runs `flagpost` commands in this process, with settings in the environment."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from click.testing import CliRunner

from workers.cli import flagpost
from workers.errors import WorkerError


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed and how it ended."""

    code: int
    text: str

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines() if line.startswith("{")]

    def document(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.text)
        return found


def run(*arguments: str, **environment: str) -> Answer:
    """Runs a command; our own errors are raised, as `main` would see them."""
    result = CliRunner().invoke(flagpost, arguments, env=environment)
    if isinstance(result.exception, WorkerError):
        raise result.exception
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Answer(result.exit_code, result.stdout)
