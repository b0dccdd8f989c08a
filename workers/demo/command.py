"""`flagpost demo`: everything on this machine, in one command."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from workers.demo.show import DemoSettings, run_demo
from workers.demo.view import Moment, drawn
from workers.lifecycle import stop_on_signals
from workers.simulate.render import RenderSettings, kept_pool

KEPT = Path(".cache") / "takes"


@click.command(
    epilog="Example: flagpost demo --duration 300 --json   or: flagpost demo --source my.mp4"
)
@click.option("--streams", type=click.IntRange(1, 200), default=12, show_default=True)
@click.option(
    "--duration", type=click.FloatRange(min=10), help="Seconds; until Ctrl-C if not given."
)
@click.option(
    "--broker",
    type=click.Choice(["embedded", "kafka"]),
    default="embedded",
    show_default=True,
    help="The broker of a wheel, or a real Apache Kafka (KAFKA_HOME).",
)
@click.option(
    "--source",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Your own video in place of simulated play; may be given again.",
)
@click.option(
    "--pool",
    type=click.Path(path_type=Path, file_okay=False),
    help="Rendered play, kept for the next run.  [default: in .cache/takes]",
)
@click.option("--json", "wants_json", is_flag=True, help="The summary as one JSON line, last.")
def demo(
    streams: int,
    duration: float | None,
    broker: str,
    source: tuple[Path, ...],
    pool: Path | None,
    wants_json: bool,
) -> None:
    """Run everything here: brokers, live streams, one worker, the console, and the score.

    Nothing outlives it; its data is temporary, except for the rendered play.
    """
    settings = DemoSettings(
        streams, duration, broker, source, pool or kept_pool(KEPT, RenderSettings("test"))
    )
    stopping = threading.Event()
    stop_on_signals(stopping)
    console = Console(stderr=True)
    console.print(
        "Starting Kafka, Redis, streams, a worker and the console; the first flag takes a while",
        soft_wrap=True,
    )
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            summary = run_demo(settings, lambda m: live.update(drawn(m), refresh=True), stopping)
    else:
        summary = run_demo(settings, _PlainLines(console), stopping)
    if wants_json:
        click.echo(json.dumps(summary))
    else:
        Console().print(_table(summary))


class _PlainLines:
    """Progress where there is no terminal: a line every ten seconds, and the way to the console."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next_s = 0.0
        self._invited = ""
        self._had_flags = False

    def __call__(self, moment: Moment) -> None:
        self._invite(moment)
        if moment.elapsed_s < self._next_s:
            return
        self._next_s = moment.elapsed_s + 10
        score = moment.score
        found = f", found {score.flagged} of {score.incidents}" if score else ""
        decided = f", {moment.decided} decided" if moment.decided else ""
        self._console.print(
            f"{moment.elapsed_s:5.0f} s: {moment.stage}, {len(moment.flags)} flags{found}{decided}"
            f", {moment.frames_per_second:.0f} frames/s, {moment.worker.lag} messages behind",
            soft_wrap=True,
        )

    def _invite(self, moment: Moment) -> None:
        """Tells the sign-in address: at once, with the first flag, and after each use."""
        if not moment.sign_in:
            return
        if moment.flags and not self._had_flags:
            self._say("A flag is waiting", moment.sign_in)
        elif moment.sign_in != self._invited:
            self._say("Another sign-in" if self._invited else "Review console", moment.sign_in)
        self._had_flags = bool(moment.flags)

    def _say(self, what: str, address: str) -> None:
        self._invited = address
        self._console.print(f"{what}: {address}", soft_wrap=True, highlight=False)


def _table(summary: dict[str, Any]) -> Table:
    table = Table("what", "value", title="Summary")
    for name, value in summary.items():
        shown = json.dumps(value) if isinstance(value, dict) else str(value)
        table.add_row(name.replace("_", " "), shown)
    return table
