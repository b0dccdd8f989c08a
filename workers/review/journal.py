"""The flag journal: what a worker stored in Redis, also on its own disk, for `queue recover`.

One JSON line for each step of a flag, the newest line of a flag counts. Redis is not the only
copy: a wiped queue can be filled again from the journals.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from schemas.flags import Flag

logger = logging.getLogger(__name__)

ROTATE_BYTES: Final = 64 << 20
KEPT_FILES: Final = 4


class FlagJournal:
    """Appends flags; a line is on disk when `append` returns."""

    def __init__(self, path: Path, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = self._opened()

    def append(self, flags: Iterable[Flag]) -> None:
        """Writes and syncs. A full disk is logged: the journal must not stop the flags.

        Scores over time are left out: they are most of a flag's bytes, and a journal that rotates
        six times as often reaches back a sixth of the time.
        """
        lines = b"".join(
            flag.model_dump_json(exclude={"scores"}).encode() + b"\n" for flag in flags
        )
        try:
            os.write(self._fd, lines)
            os.fdatasync(self._fd)
            if os.fstat(self._fd).st_size > self._rotate_bytes:
                self._rotate()
        except OSError as error:
            logger.error("flag journal %s: %s; flags still go to Redis", self._path, error)

    def close(self) -> None:
        os.close(self._fd)

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)

    def _rotate(self) -> None:
        os.close(self._fd)
        for number in range(KEPT_FILES - 1, 0, -1):
            older = self._path.with_suffix(f".{number}")
            if older.exists():
                older.replace(self._path.with_suffix(f".{number + 1}"))
        self._path.replace(self._path.with_suffix(".1"))
        self._fd = self._opened()


def flags_in_journal(paths: Iterable[Path]) -> Iterator[Flag]:
    """The newest state of every flag in journals given oldest first.

    A torn last line, left by a crash, is passed over and logged.
    """
    newest: dict[str, Flag] = {}
    for path in paths:
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            try:
                flag = Flag.model_validate_json(line)
            except ValidationError:
                logger.warning("%s:%d: no flag, passed over", path, number)
                continue
            newest[flag.flag_id] = flag
    yield from newest.values()
