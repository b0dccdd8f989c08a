"""The live terminal view of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from workers.demo.observer import WorkerNumbers
from workers.demo.scoreboard import Score, SeenFlag

NEWEST_FLAGS = 6


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything the view shows at one moment."""

    stage: str
    elapsed_s: float
    duration_s: float | None
    streams: int
    frames_per_second: float
    worker: WorkerNumbers
    flags: list[SeenFlag]
    decided: int
    score: Score | None
    evidence: str
    sign_in: str | None
    """Address that signs a person in once; None until the console is there."""


def drawn(moment: Moment) -> RenderableType:
    """The view as something rich can draw."""
    parts: list[RenderableType] = [_numbers(moment)]
    if moment.sign_in:
        parts.append(_invitation(moment.sign_in, bool(moment.flags)))
    if moment.flags:
        parts.append(_newest(moment.flags))
    parts.append(Text(f"pictures and clips: {moment.evidence}", style="dim"))
    parts.append(Text("Ctrl-C ends everything and shows the summary", style="dim"))
    return Panel(Group(*parts), title=f"Flagpost demo - {moment.stage}", border_style="cyan")


def _invitation(sign_in: str, has_flags: bool) -> RenderableType:
    """On a line of its own, unbroken, so that it can be clicked or copied."""
    todo = "Decide the flags in your browser" if has_flags else "The review console"
    address = Text(sign_in, style=f"bold cyan link {sign_in}", no_wrap=True, overflow="ignore")
    return Group(Text(f"{todo} (this address signs you in once; then comes another):"), address)


def _numbers(moment: Moment) -> Table:
    table = Table.grid(padding=(0, 3))
    for _ in range(4):
        table.add_column()
    total = f" of {moment.duration_s:.0f}" if moment.duration_s else ""
    table.add_row(
        *_pair("time", f"{moment.elapsed_s:.0f}{total} s"),
        *_pair("streams", str(moment.worker.streams or moment.streams)),
    )
    table.add_row(
        *_pair("frames scored a second", f"{moment.frames_per_second:.0f}"),
        *_pair("messages behind", str(moment.worker.lag)),
    )
    table.add_row(
        *_pair("flags", f"{len(moment.flags)}, {moment.decided} decided"),
        *_pair("worker", _state(moment.worker)),
    )
    if moment.score is not None:
        table.add_row(*_found(moment.score))
        table.add_row(*_delay(moment.score))
    return table


def _pair(name: str, value: str, style: str = "bold") -> tuple[Text, Text]:
    return Text(name, style="dim"), Text(value, style=style)


def _state(worker: WorkerNumbers) -> str:
    return "ready" if worker.is_ready else "starting"


def _found(score: Score) -> tuple[Text, ...]:
    share = f" ({score.recall:.0%})" if score.recall is not None else ""
    style = "bold red" if score.false_flags else "bold green"
    return (
        *_pair("incidents found", f"{score.flagged} of {score.incidents}{share}"),
        *_pair("false flags", str(score.false_flags), style),
    )


def _delay(score: Score) -> tuple[Text, ...]:
    median = score.median_delay_s
    shown = "-" if median is None else f"{median:.1f} s"
    return (*_pair("seconds to flag, median", shown), *_pair("", ""))


def _newest(flags: list[SeenFlag]) -> Table:
    table = Table("flag", "stream", "at", "score", "looks", "state", box=None, padding=(0, 2))
    for seen in reversed(flags[-NEWEST_FLAGS:]):
        flag = seen.flag
        table.add_row(
            flag.flag_id[-8:],
            flag.stream_id,
            _clock(flag.opened_at),
            f"{flag.peak:.2f}",
            str(flag.looks),
            "over" if flag.closed else Text("live", style="bold red"),
        )
    return table


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone():%H:%M:%S}"
