"""Local people: a file of names, roles and password hashes, for installations without a provider.

The file is read again whenever it changed, so that a role taken away counts from the next request.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from workers.console.people import Role, checked_name, known_roles
from workers.errors import ConfigurationRejected

MIN_PASSWORD: Final = 12
MAX_PASSWORD: Final = 1024
CHECKED_AT_ONCE: Final = 2
"""Each takes 64 MiB, and anybody may ask for one."""


@dataclass(frozen=True, slots=True)
class LocalPerson:
    """One entry of the file."""

    name: str
    roles: frozenset[Role]
    title: str = ""
    password: str | None = None
    """Argon2 hash; None for somebody who signs in by link only."""


class LocalPeople:
    """The file of people; safe for several threads and processes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hasher = PasswordHasher()
        self._nobody = ""
        self._lock = threading.Lock()
        self._checking = threading.BoundedSemaphore(CHECKED_AT_ONCE)
        self._seen: tuple[int, ...] = ()
        self._people: dict[str, LocalPerson] = {}

    def find(self, name: str) -> LocalPerson | None:
        """Somebody's entry as the file has it now."""
        return self._read().get(name)

    def all(self) -> tuple[LocalPerson, ...]:
        return tuple(sorted(self._read().values(), key=lambda person: person.name))

    def add(
        self, name: str, roles: Iterable[Role], title: str = "", password: str | None = None
    ) -> LocalPerson:
        """Adds somebody.

        Raises:
            ConfigurationRejected: The name is taken or unfit, or the password too short.
        """
        person = LocalPerson(
            checked_name(name), _checked_roles(roles), title[:200], self._hashed(password)
        )
        with self._changing() as people:
            if name in people:
                raise ConfigurationRejected(f"{name} is there already; use set-roles or remove")
            people[name] = person
        return person

    def set_roles(self, name: str, roles: Iterable[Role]) -> LocalPerson:
        """Gives somebody other roles; raises ConfigurationRejected where there is no such name."""
        with self._changing() as people:
            people[name] = changed = replace(_known(people, name), roles=_checked_roles(roles))
        return changed

    def set_password(self, name: str, password: str) -> None:
        """Gives somebody another password; raises ConfigurationRejected as `add` does."""
        hashed = self._hashed(password)
        with self._changing() as people:
            people[name] = replace(_known(people, name), password=hashed)

    def remove(self, name: str) -> None:
        with self._changing() as people:
            _known(people, name)
            del people[name]

    def check(self, name: str, password: str) -> LocalPerson | None:
        """The person, if the password is right. An unknown name costs as much time as a known."""
        person = self.find(name)
        # A password of megabytes must not keep a core busy.
        if len(password) > MAX_PASSWORD:
            return None
        try:
            with self._checking:
                self._hasher.verify((person and person.password) or self._decoy(), password)
        except (Argon2Error, InvalidHashError):
            return None
        if person is None or person.password is None:
            return None
        if self._hasher.check_needs_rehash(person.password):
            self.set_password(name, password)
        return person

    def _decoy(self) -> str:
        self._nobody = self._nobody or self._hasher.hash(os.urandom(16).hex())
        return self._nobody

    def _hashed(self, password: str | None) -> str | None:
        if password is None:
            return None
        if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
            raise ConfigurationRejected(
                f"the password has {len(password)} characters; expected {MIN_PASSWORD} or more"
            )
        return self._hasher.hash(password)

    def _read(self) -> dict[str, LocalPerson]:
        with self._lock:
            try:
                found = os.stat(self._path)
            except FileNotFoundError:
                self._seen, self._people = (), {}
                return self._people
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                self._people, self._seen = _people_in(self._path), seen
            return self._people

    @contextmanager
    def _changing(self) -> Iterator[dict[str, LocalPerson]]:
        """The people, to be changed by one process at a time and written whole."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self._path.with_suffix(".lock"), "a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            people = _people_in(self._path) if self._path.exists() else {}
            yield people
            _write(self._path, people)


def _known(people: dict[str, LocalPerson], name: str) -> LocalPerson:
    if name not in people:
        raise ConfigurationRejected(f"{name}: there is nobody of this name")
    return people[name]


def _checked_roles(roles: Iterable[Role]) -> frozenset[Role]:
    found = frozenset(roles)
    if not found or Role.SERVICE in found:
        raise ConfigurationRejected(
            f"roles {sorted(found)}: expected one or more of "
            f"{', '.join(role for role in Role if role is not Role.SERVICE)}"
        )
    return found


def _people_in(path: Path) -> dict[str, LocalPerson]:
    try:
        kept = json.loads(path.read_text())["people"]
        return {
            name: LocalPerson(name, known_roles(e["roles"]), e["title"], e["password"])
            for name, e in kept.items()
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationRejected(f"people file {path}: {error!r}") from error


def _write(path: Path, people: dict[str, LocalPerson]) -> None:
    kept = {
        name: {"roles": sorted(p.roles), "title": p.title, "password": p.password}
        for name, p in sorted(people.items())
    }
    partial = path.with_suffix(".part")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({"people": kept}, out, indent=1)
        out.flush()
        os.fsync(out.fileno())
    os.replace(partial, path)
