"""The streams on a terminal, live, and their summary for people and for machines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from rich.console import Console
from rich.live import Live
from rich.table import Table

from workers.ingest.status import StreamState, StreamStatus

_COLOURS: Final = {
    StreamState.STREAMING: "green",
    StreamState.CONNECTING: "yellow",
    StreamState.WAITING: "yellow",
    StreamState.FAILED: "red",
    StreamState.LOST: "red",
}
_MOST_ROWS: Final = 24


class StreamsDisplay:
    """A table on stderr that is kept up to date; nothing where stderr is no terminal."""

    def __init__(self, console: Console) -> None:
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._is_shown = console.is_terminal
        self._began_s = time.monotonic()

    def __enter__(self) -> StreamsDisplay:
        if self._is_shown:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._is_shown:
            self._live.stop()

    def show(self, statuses: Sequence[StreamStatus]) -> None:
        if self._is_shown:
            elapsed_s = max(time.monotonic() - self._began_s, 0.001)
            self._live.update(streams_table(statuses, elapsed_s), refresh=True)


def streams_table(statuses: Sequence[StreamStatus], elapsed_s: float) -> Table:
    """One row a stream, those in trouble first, and a row of sums."""
    table = Table(box=None, pad_edge=False)
    for name in ("stream", "state", "video", "messages", "MB", "kB/s", "lag", "lost", "dropped"):
        table.add_column(name, justify="left" if name in ("stream", "state", "video") else "right")
    ordered = sorted(statuses, key=lambda status: status.state is StreamState.STREAMING)
    for status in ordered[:_MOST_ROWS]:
        colour = _COLOURS.get(status.state, "default")
        table.add_row(
            status.stream_id,
            f"[{colour}]{status.state.value}[/]",
            f"{status.codec} {status.width}x{status.height}" if status.width else "",
            str(status.messages),
            f"{status.bytes / 1e6:.1f}",
            f"{status.bytes / elapsed_s / 1e3:.0f}",
            "" if status.lag_s is None else f"{status.lag_s:.1f} s",
            str(status.reconnects),
            str(sum(status.dropped.values())),
        )
    hidden = len(ordered) - _MOST_ROWS
    messages, size = sum(one.messages for one in statuses), sum(one.bytes for one in statuses)
    table.add_row(
        f"{len(statuses)} streams" + (f", {hidden} not shown" if hidden > 0 else ""),
        "",
        "",
        str(messages),
        f"{size / 1e6:.1f}",
        f"{size / elapsed_s / 1e3:.0f}",
    )
    return table


def summary(statuses: Sequence[StreamStatus], elapsed_s: float) -> dict[str, Any]:
    """What `--json` prints: sums, and each stream with its last state."""
    streams = [
        {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in asdict(status).items()
        }
        for status in statuses
    ]
    return {
        "streams": streams,
        "seconds": round(elapsed_s, 3),
        "messages": sum(status.messages for status in statuses),
        "bytes": sum(status.bytes for status in statuses),
        "reconnects": sum(status.reconnects for status in statuses),
    }


def summary_lines(statuses: Sequence[StreamStatus]) -> list[str]:
    """One line a stream, for people."""
    return [_line(status) for status in statuses]


def _line(status: StreamStatus) -> str:
    line = (
        f"{status.stream_id}: {status.state.value}, {status.messages} messages, "
        f"{status.bytes / 1e6:.1f} MB, {status.media_s:.1f} s of video"
    )
    if status.reconnects:
        line += f", lost {status.reconnects} times"
    if status.dropped:
        line += ", left out: " + ", ".join(f"{n} {why}" for why, n in status.dropped.items())
    if status.error and status.state in (StreamState.FAILED, StreamState.LOST):
        line += f" ({status.error})"
    return line
