"""The console's state directory: signing secret, local people, service tokens, audit log."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.errors import ConfigurationRejected

SECRET_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class ConsoleState:
    """Files that every console process and command of one installation share."""

    directory: Path

    @property
    def people(self) -> Path:
        return self.directory / "people.json"

    @property
    def tokens(self) -> Path:
        return self.directory / "tokens.json"

    @property
    def audit(self) -> Path:
        return self.directory / "audit.jsonl"

    @property
    def address(self) -> Path:
        """Where the running console is reached, for links made beside it."""
        return self.directory / "address"

    def secret(self) -> bytes:
        """The key behind links, tokens and signed addresses; made on first use.

        Raises:
            ConfigurationRejected: The directory cannot be written, or the file is too short.
        """
        file = self.directory / "secret"
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not file.exists():
                _create(file)
            found = file.read_bytes()
        except OSError as error:
            raise ConfigurationRejected(
                f"FLAGPOST_CONSOLE_STATE: {self.directory} does not hold a secret: {error}"
            ) from error
        if len(found) < SECRET_BYTES:
            raise ConfigurationRejected(
                f"{file}: {len(found)} bytes, expected {SECRET_BYTES}; remove it to get a new one, "
                "which ends all sessions"
            )
        return found


def _create(file: Path) -> None:
    """Links a finished file into place: two processes that start at once share one secret."""
    partial = file.with_name(f"secret.{os.getpid()}.part")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(secrets.token_bytes(SECRET_BYTES))
        out.flush()
        os.fsync(out.fileno())
    try:
        os.link(partial, file)
    except FileExistsError:
        pass
    finally:
        partial.unlink()
