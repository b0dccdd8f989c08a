"""The queue page: counts, what is late, what is set aside, and the way to a stream."""

from datetime import timedelta

import pytest

from schemas.flags import Severity
from tests.servers import wait_until
from tests.workers.console.flags import enqueue
from tests.workers.review.flags import decision, flag
from workers.console.board import age_names
from workers.console.people import Role
from workers.review.answers import FlagState, Pool


@pytest.fixture
def ana(signed):
    return signed("ana")


@pytest.fixture
def eva(signed):
    return signed("eva", Role.SENIOR)


def test_an_empty_queue_says_what_is_missing(ana):
    page = ana.get("/queue").text
    for text in ("Nothing waits for a reviewer.", "Nobody holds a flag", "Nothing is set aside."):
        assert text in page


def test_flags_are_counted_by_severity_and_listed_by_urgency(ana, parts):
    enqueue(parts, flag(1, Severity.LOW), flag(2, Severity.HIGH), flag(3, Severity.HIGH))
    page = ana.get("/queue").text
    assert "of 3 that wait" in page
    rows = [line for line in page.splitlines() if "/streams/s" in line]
    assert "/streams/s1" in rows[-1], "the low one is due last"


def test_a_flag_past_its_time_counts_as_overdue(ana, parts):
    enqueue(parts, flag(1), flag(2))
    current = parts.policies.current()
    short = [policy.model_copy(update={"sla": timedelta(seconds=5)}) for policy in current.policies]
    parts.policies.save(short, "eva", current.version)
    # Many viewers: 5 s become less than one.
    enqueue(parts, flag(3, viewers=10**9))
    wait_until(lambda: parts.board.counts().overdue >= 1)
    page = ana.get("/queue").text
    assert "the oldest by" in page
    assert "is-late" in page


def test_who_looks_at_what_is_shown(ana, parts):
    enqueue(parts, flag(1))
    parts.desk.claim("ben")
    page = ana.get("/queue").text
    assert "by 1 person" in page
    assert '<th scope="row">ben</th>' in page


def test_a_flag_that_is_set_aside_shows_why_and_can_be_moved_by_a_senior(eva, parts, logged):
    enqueue(parts, flag(1))
    parts.desk.park(flag(1).flag_id, "ben", "its pictures are <gone>")
    assert "its pictures are &lt;gone&gt;" in eva.get("/queue").text
    assert eva.post("/queue/move", flag_id=flag(1).flag_id, to="escalated").status_code == 303
    record = parts.board.record(flag(1).flag_id)
    assert (record.state, record.pool) == (FlagState.READY, Pool.ESCALATED)
    assert "went back to where flags wait" in eva.get("/queue").text
    assert logged("flag.move")[-1]["outcome"] == "ok"


def test_a_reviewer_sees_what_is_set_aside_and_cannot_move_it(ana, parts, logged):
    enqueue(parts, flag(1))
    parts.desk.park(flag(1).flag_id, "ben", "nothing to see")
    assert "/queue/move" not in ana.get("/queue").text
    assert ana.post("/queue/move", flag_id=flag(1).flag_id).status_code == 403
    assert parts.board.record(flag(1).flag_id).state is FlagState.PARKED
    assert logged("access")[-1]["outcome"] == "denied"


def test_a_flag_cannot_be_moved_to_somebody_who_is_not_there(eva, parts):
    enqueue(parts, flag(1))
    eva.get("/queue")
    eva.post("/queue/move", flag_id=flag(1).flag_id, to="to:nobody")
    assert "nobody of that name" in eva.get("/queue").text
    assert parts.board.record(flag(1).flag_id).pool == Pool.READY


def test_a_decided_flag_is_not_moved(eva, parts):
    enqueue(parts, flag(1))
    lease = parts.desk.claim("ben")
    parts.desk.decide(decision(lease.flag.flag_id, "ben", lease.epoch))
    eva.get("/queue")
    eva.post("/queue/move", flag_id=flag(1).flag_id)
    assert "is decided already" in eva.get("/queue").text


def test_a_search_lists_streams_that_begin_so_and_a_whole_id_leads_there(ana, parts):
    names = ("room/1", "room/12", "hall")
    enqueue(parts, *(flag(n, stream_id=name) for n, name in enumerate(names)))
    page = ana.get("/queue", params={"stream": "room/"}).text
    assert "/streams/room%2F12" in page
    assert "/streams/hall" not in page.split("Waiting")[0]
    found = ana.get("/queue", params={"stream": "hall"})
    assert found.headers["location"] == "/streams/hall"
    assert "No stream with a flag begins so" in ana.get("/queue", params={"stream": "<b>"}).text


def test_age_buckets_are_named_by_their_edges():
    assert age_names([timedelta(minutes=1), timedelta(minutes=5)]) == [
        "under 60 s",
        "to 5 min",
        "over 5 min",
    ]
