"""The audit log: who did what, appended and never changed, each entry chained to the one before.

One JSON object a line. `hash` is SHA-256 over the entry's own text, which holds `before`, the hash
of the entry before it: a line that is changed, taken out or put in breaks the chain from there on.
Cutting entries off the end shows only against a head noted earlier (`audit verify --head`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from workers.errors import AuditUnavailable, WorkerError

START: Final = "0" * 64
"""What the first entry has before it."""
TAIL_BYTES: Final = 1 << 16
LONGEST_TEXT: Final = 2000
"""Characters. Some of what is logged strangers chose: addresses, headers, names."""
TORN: Final = "audit.torn"
Detail = str | int | float | bool | None


class AuditBroken(WorkerError):
    """The log is not what was written; names the line."""


class AuditLog:
    """Appends entries; safe for several threads, and for several processes on one machine."""

    def __init__(self, path: Path) -> None:
        """Opens the log at its first entry, so that reading commands never create one."""
        self.path = path
        self._writing = threading.Lock()
        self._syncing = threading.Lock()
        self._fd: int | None = None
        self._known = (0, 0, START)
        self._written = 0
        self._synced = 0

    def append(
        self, actor: str, action: str, subject: str = "", outcome: str = "ok", **detail: Detail
    ) -> None:
        """Writes one entry and returns when the disk has it.

        Args:
            actor: Name of the person, or `anonymous`.
            action: What was asked for, such as `flag.reveal`.
            subject: What it was done to, such as a flag's id.
            outcome: `ok`, `denied`, or the queue's answer.
            **detail: More facts.

        Raises:
            AuditUnavailable: It could not be written.
        """
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "actor": _bounded(actor),
            "action": action,
            "subject": _bounded(subject),
            "outcome": outcome,
            "detail": {name: _bounded(fact) for name, fact in detail.items()},
        }
        try:
            with self._writing, self._locked() as fd:
                self._mend(fd)
                self._write(fd, entry)
                self._written += 1
                mine = self._written
            self._sync(fd, mine)
        except OSError as error:
            raise AuditUnavailable(f"audit log {self.path}: {error}") from error

    def close(self) -> None:
        with self._writing:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    @contextmanager
    def _locked(self) -> Iterator[int]:
        if self._fd is None or not _is_still(self._fd, self.path):
            self._open()
        assert self._fd is not None
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            yield self._fd
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _open(self) -> None:
        """Opens the file that is at the path now: one that was moved away takes no more entries."""
        if self._fd is not None:
            with self._syncing:  # other threads still wait for the old file's entries
                os.fdatasync(self._fd)
                self._synced = self._written
                os.close(self._fd)
                self._fd = None
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._known = (0, 0, START)

    def _mend(self, fd: int) -> None:
        """Reads where the log stands, and closes a line that a crash left unfinished."""
        size = os.fstat(fd).st_size
        if size == self._known[0]:
            return
        torn, number, head = _tail(fd, size)
        self._known = (size, number, head)
        if torn:
            _write_whole(fd, b"\n")
            self._known = (size + 1, number, head)
            self._write(
                fd,
                {
                    "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
                    "actor": "console",
                    "action": TORN,
                    "subject": hashlib.sha256(torn).hexdigest(),
                    "outcome": "ok",
                    "detail": {"bytes": len(torn)},
                },
            )

    def _write(self, fd: int, entry: dict[str, Any]) -> None:
        size, number, head = self._known
        entry = {"n": number + 1, **entry, "before": head}
        digest = _digest(entry)
        line = _text(entry | {"hash": digest}) + b"\n"
        _write_whole(fd, line)
        self._known = (size + len(line), number + 1, digest)

    def _sync(self, fd: int, mine: int) -> None:
        """Waits for the disk; entries of several threads share one flush."""
        with self._syncing:
            if self._synced >= mine:
                return
            upto = self._written
            os.fdatasync(fd)
            self._synced = upto


def entries(path: Path) -> Iterator[dict[str, Any]]:
    """Every entry, oldest first, checked as it is read.

    Raises:
        AuditBroken: A line was changed, taken out or put in; names the first.
    """
    number, head, torn = 0, START, b""
    for line_number, line in enumerate(_lines(path), 1):
        place = f"audit log {path}, line {line_number}"
        try:
            entry = json.loads(line)
            digest = entry.pop("hash")
        except (ValueError, KeyError, AttributeError, TypeError):
            if torn:
                raise AuditBroken(f"{place}: no entry") from None
            torn = line
            continue
        if torn and (
            entry.get("action") != TORN or entry.get("subject") != hashlib.sha256(torn).hexdigest()
        ):
            raise AuditBroken(f"{place}: the line before it is no entry")
        torn = b""
        if entry.get("before") != head or entry.get("n") != number + 1:
            raise AuditBroken(
                f"{place}: follows entry {entry.get('n')!r} on {entry.get('before')!r}, expected "
                f"{number + 1} on {head!r}; an entry was taken out or put in"
            )
        if _digest(entry) != digest:
            raise AuditBroken(f"{place}: its text does not have its hash; it was changed")
        number, head = entry["n"], digest
        yield entry | {"hash": digest}
    if torn:
        raise AuditBroken(
            f"audit log {path}: the last line is unfinished; the next entry closes it"
        )


def verify(path: Path, head: str | None = None) -> tuple[int, str]:
    """Checks the whole chain; returns the count of entries and the newest hash.

    Args:
        path: The log.
        head: A hash noted earlier that must still be in the chain.

    Raises:
        AuditBroken: The log is not what was written.
    """
    count, newest, seen = 0, START, head in (None, START)
    for entry in entries(path):
        count, newest = entry["n"], entry["hash"]
        seen = seen or newest == head
    if not seen:
        raise AuditBroken(
            f"audit log {path}: no entry has the hash {head}; the log was cut off or replaced"
        )
    return count, newest


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            for line in file:
                yield line.removesuffix(b"\n")
    except FileNotFoundError as error:
        raise AuditBroken(f"audit log {path}: no such file") from error


def _tail(fd: int, size: int) -> tuple[bytes, int, str]:
    """The unfinished last line, and number and hash of the last entry before it.

    Looks further back until it finds one: to begin at 1 again would break the chain.
    """
    start, wanted = size, TAIL_BYTES
    while start:
        start = max(0, size - wanted)
        *whole, torn = os.pread(fd, size - start, start).split(b"\n")
        for line in reversed(whole):
            try:
                entry = json.loads(line)
                return torn, int(entry["n"]), str(entry["hash"])
            except (ValueError, KeyError, TypeError):
                continue
        wanted *= 4
    return torn, 0, START


def _bounded(fact: Detail) -> Any:
    if not isinstance(fact, str) or len(fact) <= LONGEST_TEXT:
        return fact
    return f"{fact[:LONGEST_TEXT]}... ({len(fact)} characters)"


def _is_still(fd: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _text(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, ensure_ascii=True, separators=(",", ":")).encode()


def _digest(entry: dict[str, Any]) -> str:
    return hashlib.sha256(_text(entry)).hexdigest()


def _write_whole(fd: int, data: bytes) -> None:
    written = os.write(fd, data)
    if written != len(data):
        raise OSError(f"{written} of {len(data)} bytes were written: the disk is full")
