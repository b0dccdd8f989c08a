"""The takes that streams play, and the background process that renders more of them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from workers.simulate.errors import PoolRejected
from workers.simulate.reels import Reel, reel_from_take
from workers.simulate.scenes import Split
from workers.simulate.takes import read_take, sidecars
from workers.simulate.truth import Rule

POOL_TAKES: Final = 63
"""Three of every scene of the test split."""
_NICENESS: Final = 19
_OPENING_SIZE: Final = (640, 360)


class Pool:
    """The complete takes of one split in a directory that may grow meanwhile."""

    def __init__(self, directory: Path, split: Split, size: tuple[int, int] | None) -> None:
        self.directory = directory
        self.reels: list[Reel] = []
        self._split = split
        self._size = size
        self._seen: set[str] = set()
        directory.mkdir(parents=True, exist_ok=True)

    def refresh(self) -> int:
        """Takes in what is new; returns how many takes there are.

        Raises:
            PoolRejected: A sidecar is none, or its takes follow another truth rule.
        """
        for sidecar in sidecars(self.directory):
            if sidecar.name in self._seen:
                continue
            self._seen.add(sidecar.name)
            take = read_take(sidecar)
            if take.rule != Rule():
                raise PoolRejected(
                    f"{sidecar}: was rendered under another truth rule; remove {self.directory} "
                    "or give another --pool"
                )
            if take.split == self._split and self._size in (None, (take.width, take.height)):
                self.reels.append(reel_from_take(self.directory, take))
        return len(self.reels)


@dataclass(frozen=True, slots=True)
class FillSettings:
    """How a pool is filled while streams play from it."""

    takes: int
    split: Split
    seed: int
    fps: float
    size: tuple[int, int] | None
    """Of every take; drawn for each, after the first few, where None."""
    flashes: bool
    cpu_share: float
    """Of one core, once the first takes are there; 0 to 1."""
    opening_takes: int = 6
    """Short ones, rendered at full speed, so that streams start soon."""


class PoolFiller:
    """Renders takes in niced child processes, one after the other; a context manager.

    A child of its own, because the game holds the interpreter's lock for whole frames.
    """

    def __init__(self, directory: Path, settings: FillSettings) -> None:
        self._directory = directory
        opening = min(settings.opening_takes, settings.takes)
        rest = settings.takes - opening
        self._phases = [(_arguments(directory, settings, 0, opening, 1.0), 0)]
        if rest:
            later = _arguments(directory, settings, opening, rest, settings.cpu_share)
            self._phases.append((later, _NICENESS))
        self._child: subprocess.Popen[bytes] | None = None
        self._log = directory / "render.log"

    def __enter__(self) -> PoolFiller:
        self.poll()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._child is None:
            return
        with self._child:
            self._child.terminate()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()

    @property
    def done(self) -> bool:
        return not self._phases and (self._child is None or self._child.poll() is not None)

    def poll(self) -> None:
        """Starts the next phase where the last one is over.

        Raises:
            PoolRejected: The last one failed; holds its last line.
        """
        if self._child is not None:
            status = self._child.poll()
            if status is None:
                return
            with self._child:
                self._child = None
            if status:
                lines = self._log.read_text(errors="replace").strip().splitlines() or ["no output"]
                raise PoolRejected(f"rendering into {self._directory} failed: {lines[-1]}")
        if self._phases:
            arguments, niceness = self._phases.pop(0)
            with self._log.open("wb") as log:
                self._child = subprocess.Popen(
                    arguments,
                    stdout=log,
                    stderr=log,
                    # Closed by the kernel even where this process is killed: the child then ends.
                    stdin=subprocess.PIPE,
                )
            os.setpriority(os.PRIO_PROCESS, self._child.pid, niceness)


def _arguments(
    directory: Path, settings: FillSettings, first: int, takes: int, share: float
) -> list[str]:
    opening = first == 0
    size = settings.size or (_OPENING_SIZE if opening else None)
    return [
        *(sys.executable, "-m", "workers.cli", "simulate", "render", str(directory)),
        *("--first", str(first), "--takes", str(takes), "--split", settings.split),
        *("--fps", f"{settings.fps:g}", "--seed", str(settings.seed)),
        *("--cpu-share", f"{share:g}"),
        *(("--size", f"{size[0]}x{size[1]}") if size else ()),
        *(("--short",) if opening else ()),
        "--flashes" if settings.flashes else "--no-flashes",
        "--until-stdin-closes",
    ]
