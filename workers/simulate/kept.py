"""Pools of takes that are kept for the next run: found by their settings, and not too many."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workers.simulate.render import RenderSettings, kept_pool

POOLS_KEPT: Final = 4
"""Of 63 takes each: some 200 MB a pool at the usual settings."""
_IN_USE: Final = ".in-use"


@contextmanager
def played_pool(root: Path, settings: RenderSettings, seed: int) -> Iterator[Path]:
    """The kept pool of these settings while streams play from it; forgets the longest unused."""
    pool = kept_pool(root, settings, seed)
    pool.mkdir(parents=True, exist_ok=True)
    with (pool / _IN_USE).open("wb") as mark:
        fcntl.flock(mark, fcntl.LOCK_SH)
        os.utime(mark.fileno())
        forget_old_pools(root, POOLS_KEPT)
        yield pool


def forget_old_pools(root: Path, keep: int) -> list[Path]:
    """Removes pools that nobody plays, beyond the `keep` used last; returns what it removed.

    Only directories that `played_pool` has marked are touched.
    """
    marks = sorted(root.glob(f"*/{_IN_USE}"), key=lambda mark: mark.stat().st_mtime, reverse=True)
    return [mark.parent for mark in marks[keep:] if _removed(mark)]


def _removed(mark: Path) -> bool:
    with contextlib.suppress(OSError), mark.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where a simulator plays from it
        shutil.rmtree(mark.parent)
        return True
    return False
