"""What is not decided now is kept longer or goes on, under the claim's epoch."""

from datetime import datetime, timedelta

import pytest

from tests.workers.console.flags import enqueue, held_id, take
from tests.workers.review.flags import flag
from workers.console.people import Role
from workers.review.answers import FlagState

JSON = {"Accept": "application/json"}


@pytest.fixture
def held(signed, parts):
    """(ana's browser, flag id, hidden fields) of a flag that she holds."""
    enqueue(parts, flag(1))
    ana = signed("ana")
    return ana, *take(ana)


def test_a_skipped_flag_goes_to_somebody_else(held, signed):
    ana, flag_id, form = held
    ana.post(f"/work/{flag_id}/skip", epoch=form["epoch"], note="not my language")
    page = ana.get("/work").text
    assert ("Skipped. Somebody else gets it." in page, held_id(page)) == (True, "")
    assert take(signed("ben"))[0] == flag_id


def test_a_break_gives_the_flag_back_and_claims_no_other(held, parts):
    ana, flag_id, form = held
    enqueue(parts, flag(2))
    ana.post(f"/work/{flag_id}/release", epoch=form["epoch"])
    page = ana.get("/work").text
    assert ("Given back. Take your time." in page, held_id(page)) == (True, "")
    assert parts.board.counts().ready == 2


def test_a_held_flag_stays_for_half_an_hour(held, parts):
    ana, flag_id, form = held
    ana.post(f"/work/{flag_id}/hold", epoch=form["epoch"], note="asking Lee")
    page = ana.get("/work").text
    assert "Yours for 30 min." in page
    assert "asking Lee" in page
    left = parts.desk.held_by("ana").ends_at - parts.board.counts().at
    assert timedelta(minutes=29) < left <= timedelta(minutes=30)


def test_a_script_extends_the_lease_and_learns_its_end(held, parts):
    ana, flag_id, form = held
    before = parts.desk.held_by("ana").ends_at
    told = ana.http.post(
        f"/work/{flag_id}/renew", data={"csrf": ana.csrf, "epoch": form["epoch"]}, headers=JSON
    )
    assert datetime.fromisoformat(told.json()["ends_at"]) >= before.replace(microsecond=0)


def test_a_script_that_lost_the_lease_learns_who_has_it(held, signed, parts):
    ana, flag_id, form = held
    parts.desk.release_all("ana")
    take(signed("ben"))
    told = ana.http.post(
        f"/work/{flag_id}/renew", data={"csrf": ana.csrf, "epoch": form["epoch"]}, headers=JSON
    )
    assert told.status_code == 409
    assert "ben has the flag now" in told.json()["lost"]


def test_a_flag_is_handed_to_a_person(held, signed, parts):
    ana, flag_id, form = held
    parts.people.add("ben", [Role.REVIEWER])
    ana.post(f"/work/{flag_id}/hand", epoch=form["epoch"], to="ben", note="you know them")
    assert "Handed to ben." in ana.get("/work").text
    assert take(signed("zoe"))[0] == ""
    assert take(signed("ben"))[0] == flag_id


@pytest.mark.parametrize("to", ["", "nobody-here", "kim", "ana"])
def test_a_flag_is_handed_only_to_somebody_else_who_reviews(held, parts, to):
    ana, flag_id, form = held
    parts.people.add("kim", [Role.AUDITOR])
    refused = ana.post(f"/work/{flag_id}/hand", epoch=form["epoch"], to=to, note="kept")
    assert "cannot take flags here" in refused.text
    assert "kept" in refused.text
    assert parts.board.record(flag_id).state is FlagState.LEASED


def test_two_people_decide_where_a_second_review_is_asked_for(held, parts):
    ana, flag_id, form = held
    ana.post(f"/work/{flag_id}/second", epoch=form["epoch"])
    assert "Two people will decide this flag" in ana.get("/work").text
    assert parts.board.record(flag_id).second_wanted


def test_a_flag_is_passed_to_the_seniors(held, signed):
    ana, flag_id, form = held
    ana.post(f"/work/{flag_id}/escalate", epoch=form["epoch"])
    assert take(signed("ben"))[0] == ""
    assert take(signed("lee", Role.SENIOR))[0] == flag_id


def test_a_flag_is_set_aside_with_the_note_as_reason(held, parts):
    ana, flag_id, form = held
    ana.post(f"/work/{flag_id}/park", epoch=form["epoch"], note="black frames only")
    assert parts.board.parked()[0].parked_because == "black frames only"


@pytest.mark.parametrize(
    "action", ["skip", "release", "escalate", "second", "park", "renew", "hold"]
)
def test_an_old_page_hands_nothing_on_and_keeps_the_note(held, signed, parts, action):
    ana, flag_id, form = held
    parts.desk.release_all("ana")
    take(signed("ben"))
    refused = ana.post(f"/work/{flag_id}/{action}", epoch=form["epoch"], note="half a thought")
    assert refused.status_code == 409
    assert "ben has the flag now" in refused.text
    assert "half a thought" in refused.text
    assert parts.desk.held_by("ben").flag.flag_id == flag_id


def test_whatever_was_done_is_in_the_audit_log(held, logged):
    ana, flag_id, form = held
    ana.post(f"/work/{flag_id}/skip", epoch=form["epoch"])
    ana.post(f"/work/{flag_id}/skip", epoch=form["epoch"])
    assert [entry["outcome"] for entry in logged("flag.skip")] == ["ok", "stale"]


def test_who_may_not_review_gets_no_work_page(signed):
    assert signed("kim", Role.AUDITOR).get("/work").status_code == 403
