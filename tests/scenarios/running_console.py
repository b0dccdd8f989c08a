"""`flagpost console` as a real process beside a bench, and the links that sign people in there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from workers.console.state import ConsoleState


class RunningConsole:
    """The process, once it told its address; its log and its audit log are files."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self.audit_log = ConsoleState(Path(environment["FLAGPOST_CONSOLE_STATE"])).audit
        with open(log, "wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", "console", "--port", "0", "--json"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        assert self.process.stdout is not None
        self.address = str(json.loads(self.process.stdout.readline())["console"])

    def link(self, name: str, role: str = "reviewer") -> str:
        """An address that signs somebody in once, from the command line."""
        return self._say("console", "link", "--name", name, "--role", role)

    def verify_audit_log(self) -> str:
        return self._say("audit", "verify")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _say(self, *arguments: str) -> str:
        command = [sys.executable, "-m", "workers.cli", *arguments]
        told = subprocess.run(
            command, env=self._environment, capture_output=True, text=True, check=True, timeout=60
        )
        return told.stdout.strip()
