"""An open page hears the counts, that the queue is away, and that its session ended."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.workers.console.flags import enqueue
from tests.workers.review.flags import flag
from workers.console import events
from workers.console.people import Role
from workers.console.pulse import Kept
from workers.errors import QueueUnavailable


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Answers end after the first event: the test client reads whole answers."""
    monkeypatch.setattr(events, "LASTS_S", 0.01)
    monkeypatch.setattr(events, "EVERY_S", 0.02)


def heard(browser) -> list[tuple[str, dict]]:
    lines = browser.get("/events").text.splitlines()
    names = [line.partition(": ")[2] for line in lines if line.startswith("event")]
    data = [json.loads(line.partition(": ")[2]) for line in lines if line.startswith("data")]
    return list(zip(names, data, strict=True))


def test_counts_are_told(signed, parts):
    enqueue(parts, flag(1), flag(2))
    ((name, counts),) = heard(signed("ana"))
    assert (name, counts["waiting"], counts["escalated"]) == ("counts", 2, 0)


def test_a_session_that_ended_hears_no_more(signed, parts, monkeypatch):
    ana = signed("ana")
    monkeypatch.setattr(parts.sessions, "is_live", lambda key: False)
    assert heard(ana) == [("over", {})]


def test_a_queue_that_is_away_has_no_counts(signed, parts):
    ana = signed("ana")

    def away() -> None:
        raise QueueUnavailable("Redis: gone")

    object.__setattr__(parts, "counts", Kept(away, timedelta(0)))
    assert heard(ana) == [("away", {})]


def test_nobody_listens_without_a_right(client, signed):
    assert client.get("/events").status_code in (303, 401)
    assert signed("svc", Role.AUDITOR).get("/events").status_code == 200


def test_many_pages_cost_one_reading():
    read = []
    kept = Kept(lambda: read.append(1), timedelta(minutes=1))
    for _ in range(50):
        kept.value()
    assert len(read) == 1


def test_while_one_page_reads_the_others_go_on_with_what_there_is():
    now_s = 0.0
    reading, may_end = threading.Event(), threading.Event()

    def read() -> float:
        if now_s:
            reading.set()
            assert may_end.wait(10)
        return now_s

    kept = Kept(read, timedelta(seconds=10), lambda: now_s)
    assert kept.value() == 0
    now_s = 15.0
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(kept.value)
        assert reading.wait(10)
        assert kept.value() == 0
        may_end.set()
        assert first.result() == 15
    assert kept.value() == 15
