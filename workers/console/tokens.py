"""Tokens of other programs, which use the API without a browser. Only their digests are kept."""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from workers.console.people import Person, Role, checked_name, known_roles
from workers.errors import ConfigurationRejected

PREFIX: Final = "flagpost_"
"""So that secret scanners can find a token that leaked."""


class ServiceTokens:
    """The file of tokens; read again at each use, so that a removed one stops at once."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def add(self, name: str, roles: Iterable[Role]) -> str:
        """Makes a token for a program; it is shown once and never again.

        Raises:
            ConfigurationRejected: The name is taken or unfit.
        """
        token = PREFIX + secrets.token_urlsafe(32)
        found = frozenset(roles) | {Role.SERVICE}
        with self._lock() as _:
            kept = self._read()
            if checked_name(name) in kept:
                raise ConfigurationRejected(f"{name} has a token already; remove it first")
            kept[name] = {
                "digest": _digest(token),
                "roles": sorted(found),
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            self._write(kept)
        return token

    def remove(self, name: str) -> None:
        with self._lock() as _:
            kept = self._read()
            if name not in kept:
                raise ConfigurationRejected(f"{name}: there is no token of this name")
            del kept[name]
            self._write(kept)

    def all(self) -> dict[str, frozenset[Role]]:
        return {name: known_roles(entry["roles"]) for name, entry in sorted(self._read().items())}

    def find(self, token: str) -> Person | None:
        """Which program a token is of; None if of none."""
        digest = _digest(token)
        for name, entry in self._read().items():
            if hmac.compare_digest(entry["digest"], digest):
                return Person(name, known_roles(entry["roles"]), name, session=digest[:40])
        return None

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._path.read_text())["tokens"]
            return found
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigurationRejected(f"tokens file {self._path}: {error!r}") from error

    def _write(self, kept: dict[str, Any]) -> None:
        partial = self._path.with_suffix(".part")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump({"tokens": kept}, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, self._path)

    def _lock(self) -> Any:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(self._path.with_suffix(".lock"), "a")  # noqa: SIM115  closed by the caller
        fcntl.flock(lock, fcntl.LOCK_EX)
        return lock


def _digest(token: str) -> str:
    """A token is 256 random bits: one round of SHA-256 is as good as a slow hash, and fast."""
    return hashlib.sha256(token.encode()).hexdigest()
