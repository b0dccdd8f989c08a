"""`flagpost simulate render`: fills a pool with takes."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from workers.simulate.errors import SimulationFailed
from workers.simulate.game import SIZES
from workers.simulate.render import FPS, RenderSettings, render_take, take_name
from workers.simulate.scenes import SPLITS, Split
from workers.simulate.takes import Take
from workers.simulate.truth import violent_share

MIXED = "mixed"
SIZE_NAMES = (MIXED, *(f"{width}x{height}" for width, height in SIZES))


def size_from_name(name: str) -> tuple[int, int] | None:
    """`640x360` as width and height; None where takes shall have different sizes."""
    if name == MIXED:
        return None
    width, height = name.split("x")
    return int(width), int(height)


@click.command(
    epilog="Example: flagpost simulate render pool --takes 100 --split train --fps 4 "
    "--keyframe-interval 0.25"
)
@click.argument("pool", type=click.Path(path_type=Path, file_okay=False))
@click.option("--takes", type=click.IntRange(min=1), default=40, show_default=True)
@click.option("--first", type=click.IntRange(min=0), default=0, help="Number of the first take.")
@click.option("--split", type=click.Choice(SPLITS), default="test", show_default=True)
@click.option("--fps", type=click.FloatRange(1, 35), default=FPS, show_default=True)
@click.option("--keyframe-interval", type=click.FloatRange(0.02, 10), default=0.5, help="Seconds.")
@click.option("--size", type=click.Choice(SIZE_NAMES), default=MIXED, show_default=True)
@click.option("--short", is_flag=True, help="Takes of about 14 s with one early fight.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--flashes/--no-flashes", default=True, help="Red flashes when the player is hurt.")
@click.option(
    "--cpu-share", type=click.FloatRange(0.02, 1), default=1.0, help="Use at most this of a core."
)
@click.option("--until-stdin-closes", is_flag=True, hidden=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
def render(
    pool: Path,
    takes: int,
    first: int,
    split: Split,
    fps: float,
    keyframe_interval: float,
    size: str,
    short: bool,
    seed: int,
    flashes: bool,
    cpu_share: float,
    until_stdin_closes: bool,
    as_json: bool,
) -> None:
    """Render takes of play with their truth into the directory POOL.

    A take that is there already (same split, seed and number) is kept as it is.
    """
    pool.mkdir(parents=True, exist_ok=True)
    settings = RenderSettings(
        split=split,
        fps=fps,
        keyframe_interval_s=keyframe_interval,
        flashes=flashes,
        size=size_from_name(size),
        short=short,
        cpu_share=cpu_share,
    )
    started, done, failed = time.perf_counter(), list[Take](), 0
    if until_stdin_closes:
        threading.Thread(target=_end_with_stdin, daemon=True).start()
    with _ended_by_sigterm(), _progress() as progress:
        task = progress.add_task(f"{split} takes", total=takes)
        for number in range(first, first + takes):
            if not (pool / f"{take_name(number, seed, split)}.json").exists():
                try:
                    done.append(render_take(pool, number, seed, settings))
                except SimulationFailed as error:
                    failed += 1
                    progress.console.print(f"skipped: {error}")
            progress.advance(task)
    if failed == takes:
        raise SimulationFailed(f"none of {takes} takes could be rendered into {pool}")
    _report(done, failed, time.perf_counter() - started, as_json=as_json)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Makes SIGTERM unwind the stack: a game whose player just vanishes stays for good."""

    def leave(signum: int, frame: FrameType | None) -> None:
        sys.exit(128 + signum)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_with_stdin() -> None:
    """Waits for the parent's end, however it came about."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _report(takes: list[Take], failed: int, took_s: float, *, as_json: bool) -> None:
    play_s = sum(take.duration_s for take in takes)
    violent_s = sum(
        violent_share(take.incidents, take.duration_s) * take.duration_s for take in takes
    )
    summary = {
        "takes": len(takes),
        "failed": failed,
        "play_s": round(play_s, 1),
        "violent_share": round(violent_s / play_s, 4) if takes else 0.0,
        "incidents": sum(len(take.incidents) for take in takes),
        "play_s_per_s": round(play_s / took_s, 1),
    }
    click.echo(json.dumps(summary) if as_json else _sentence(summary))


def _sentence(summary: dict[str, float]) -> str:
    return (
        f"{summary['takes']} takes, {summary['play_s']:.0f} s of play, "
        f"{summary['violent_share']:.0%} violent in {summary['incidents']} incidents, "
        f"{summary['play_s_per_s']:g} times faster than life; {summary['failed']} failed"
    )
