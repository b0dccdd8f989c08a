"""The people page: roles that count at once, sessions that end, and what they held."""

from datetime import timedelta

import pytest

from tests.workers.console.flags import enqueue
from tests.workers.review.flags import flag
from workers.console.people import Role
from workers.review.answers import FlagState, Pool


@pytest.fixture
def sam(signed):
    browser = signed("sam", Role.ADMIN)
    browser.get("/people")
    return browser


def test_everybody_who_is_known_or_signed_in_is_listed(sam, signed, parts):
    parts.people.add("ben", [Role.SENIOR], "Ben")
    signed("ana")
    page = sam.get("/people").text
    assert "<strong>ana</strong>" in page
    assert "<strong>ben</strong>" in page
    assert "roles come from their link" in page


def test_somebody_is_added_with_roles_and_it_is_logged(sam, parts, logged):
    answer = sam.post("/people", name="ana", title="Ana", role=["reviewer", "senior"])
    assert answer.status_code == 303
    assert parts.people.find("ana").roles == {Role.REVIEWER, Role.SENIOR}
    assert "ana was added." in sam.get(answer.headers["location"]).text
    assert logged("people.add")[-1]["subject"] == "ana"


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "no spaces <b>", "role": "reviewer"},
        {"name": "ana"},
        {"name": "ana", "role": "service"},
        {"name": "ana", "role": "god"},
        {"name": "ana", "role": "reviewer", "password": "short"},
        {"name": "", "role": "reviewer"},
        {"name": "taken", "role": "reviewer"},
    ],
)
def test_what_does_not_fit_is_refused_and_kept(sam, parts, fields):
    parts.people.add("taken", [Role.REVIEWER])
    answer = sam.post("/people", **fields)
    assert answer.status_code == 422
    assert "Nothing was changed" in answer.text
    assert [person.name for person in parts.people.all()] == ["taken"]
    assert "<b>" not in answer.text


def test_a_role_that_is_taken_away_is_gone_with_the_next_click(sam, signed, parts):
    parts.people.add("eva", [Role.SUPERVISOR])
    eva = signed("eva", Role.SUPERVISOR)
    assert eva.get("/quality").status_code == 200
    assert sam.post("/people/roles", name="eva", role=["reviewer"]).status_code == 303
    answer = eva.get("/quality")
    assert answer.status_code == 403
    assert "Your roles changed" in answer.text


@pytest.mark.parametrize(("role", "is_kept"), [("senior", True), ("auditor", False)])
def test_who_reviews_no_more_gives_back_what_they_hold(sam, signed, parts, role, is_kept):
    parts.people.add("ana", [Role.REVIEWER])
    enqueue(parts, flag(1))
    parts.desk.claim("ana", timedelta(minutes=30))
    sam.post("/people/roles", name="ana", role=[role])
    state = parts.board.record(flag(1).flag_id).state
    assert state is (FlagState.LEASED if is_kept else FlagState.READY)


def test_who_is_no_senior_any_more_gives_back_what_was_escalated(sam, parts):
    parts.people.add("lee", [Role.SENIOR])
    enqueue(parts, flag(1))
    parts.desk.move(flag(1).flag_id, Pool.ESCALATED, "sue")
    parts.desk.claim("lee", pools=(Pool.ESCALATED,))
    sam.post("/people/roles", name="lee", role=["reviewer"])
    assert parts.desk.held_by("lee") is None


def test_signing_somebody_out_gives_back_the_flag_that_they_hold(sam, signed, parts):
    ana = signed("ana")
    enqueue(parts, flag(1))
    parts.desk.claim("ana")
    sam.post("/people/revoke", name="ana")
    assert ana.get("/work").headers["location"].startswith("/signin")
    assert parts.board.record(flag(1).flag_id).state is FlagState.READY


def test_somebody_who_is_removed_is_signed_out(sam, signed, parts):
    parts.people.add("ben", [Role.REVIEWER])
    ben = signed("ben")
    sam.post("/people/remove", name="ben")
    assert parts.people.find("ben") is None
    assert ben.get("/work").status_code == 303


def test_admins_cannot_lock_themselves_out(sam, parts):
    parts.people.add("sam", [Role.ADMIN])
    for path, fields in (("roles", {"role": ["reviewer"]}), ("remove", {})):
        answer = sam.post(f"/people/{path}", name="sam", **fields)
        assert answer.status_code == 422
        assert "lock yourself out" in answer.text
    assert parts.people.find("sam").roles == {Role.ADMIN}


def test_somebody_who_is_not_there_cannot_be_changed(sam):
    assert sam.post("/people/roles", name="nobody", role=["reviewer"]).status_code == 422
    assert sam.post("/people/remove", name="nobody").status_code == 422


@pytest.mark.parametrize("role", [role for role in Role if role not in (Role.ADMIN, Role.SERVICE)])
def test_nobody_but_an_admin_manages_people(signed, parts, role):
    other = signed("eva", role)
    assert other.get("/people").status_code == 403
    other.get("/guide")
    assert other.post("/people", name="me", role=["admin"]).status_code == 403
    assert parts.people.all() == ()
