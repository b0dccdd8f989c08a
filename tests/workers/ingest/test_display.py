from __future__ import annotations

import io
import json

from rich.console import Console

from workers.ingest.display import StreamsDisplay, streams_table, summary, summary_lines
from workers.ingest.status import StreamState, StreamStatus


def some_streams() -> list[StreamStatus]:
    return [
        StreamStatus(
            "good", "a", state=StreamState.STREAMING, messages=3, bytes=2_000_000, lag_s=0.25
        ),
        StreamStatus(
            "bad",
            "rtsp://***@h/x",
            state=StreamState.LOST,
            reconnects=7,
            dropped={"no-keyframe": 4},
            error="rtsp://***@h/x: Connection refused",
        ),
    ]


def shown(statuses: list[StreamStatus]) -> str:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as capture:
        console.print(streams_table(statuses, 2.0))
    return capture.get()


def test_streams_in_trouble_come_first_and_the_sums_last():
    lines = shown(some_streams()).splitlines()
    assert lines[1].startswith("bad")
    assert lines[2].startswith("good")
    assert "0.2 s" in lines[2]
    assert "1000" in lines[2]  # kB/s
    assert lines[3].startswith("2 streams")


def test_many_streams_fit_on_a_screen_and_say_how_many_are_hidden():
    text = shown([StreamStatus(f"s{n}", "a") for n in range(100)])
    assert "100 streams, 76 not shown" in text


def test_without_a_terminal_nothing_is_drawn():
    file = io.StringIO()
    with StreamsDisplay(Console(file=file)) as display:
        display.show(some_streams())
    assert file.getvalue() == ""


def test_on_a_terminal_the_table_is_drawn():
    file = io.StringIO()
    with StreamsDisplay(Console(file=file, force_terminal=True)) as display:
        display.show(some_streams())
    assert "good" in file.getvalue()


def test_the_summary_is_json_and_each_line_says_why():
    assert json.loads(json.dumps(summary(some_streams(), 2.0)))["messages"] == 3
    assert summary_lines(some_streams())[1] == (
        "bad: lost, 0 messages, 0.0 MB, 0.0 s of video, lost 7 times, left out: 4 no-keyframe "
        "(rtsp://***@h/x: Connection refused)"
    )
