"""The demo's console starts beside the worker and always has a way in."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from rich.console import Console

from tests.servers import wait_until
from tests.workers.review.flags import START, flag
from workers.brokers import free_port
from workers.demo.command import _PlainLines
from workers.demo.observer import WorkerNumbers
from workers.demo.processes import Places
from workers.demo.reviewing import ReviewConsole
from workers.demo.scoreboard import SeenFlag
from workers.demo.view import Moment, drawn
from workers.settings import KafkaSettings

LINK = "http://127.0.0.1:8480/in/uCRiUTIpYR-l3AOE.bZnoNIr4A6i6LWYnQdj-Rlu0uaw"


@pytest.fixture
def console(tmp_path: Path, redis_settings) -> Iterator[ReviewConsole]:
    places = Places(tmp_path, KafkaSettings(), redis_settings, free_port(), free_port())
    running = ReviewConsole(places)
    wait_until(lambda: running.sign_in() or running.process.exit_code is not None)
    yield running
    running.stop()


def moment(sign_in: str | None, flags: int = 0) -> Moment:
    seen = [SeenFlag(flag(number), START) for number in range(flags)]
    return Moment("live", 1.0, None, 1, 0.0, WorkerNumbers(), seen, 0, None, "evidence", sign_in)


def test_its_address_signs_in_once_and_then_there_is_another(console):
    first = console.sign_in()
    assert console.sign_in() == first
    with httpx2.Client(base_url=console.address) as browser:
        csrf = browser.get(first).text.split('name="csrf" value="')[1].split('"')[0]
        data = {"csrf": csrf, "token": first.split("/in/")[1]}
        assert browser.post("/signin/link", data=data).status_code == 303
        assert browser.get("/queue").status_code == 200
    assert console.sign_in() != first


def test_it_ends_with_the_demo(console):
    console.stop()
    assert console.process.exit_code is not None
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(console.address)


def printed(*moments: Moment) -> list[str]:
    out = io.StringIO()
    lines = _PlainLines(Console(file=out, width=80))
    for one in moments:
        lines(one)
    return [line for line in out.getvalue().splitlines() if "/in/" in line]


def test_plain_output_tells_the_way_in_at_once_with_the_first_flag_and_after_each_use():
    other = LINK.replace("uCR", "xyz")
    told = printed(
        moment(None), moment(LINK), moment(LINK), moment(LINK, 1), moment(LINK, 2), moment(other, 2)
    )
    assert told == [
        f"Review console: {LINK}",
        f"A flag is waiting: {LINK}",
        f"Another sign-in: {other}",
    ]


def test_the_terminal_view_shows_the_way_in_whole_on_a_line_of_its_own():
    out = io.StringIO()
    Console(file=out, width=80).print(drawn(moment(LINK)))
    assert LINK in out.getvalue()
