"""A role says what may be done; it is asked anew each time, and every refusal is logged."""

from __future__ import annotations

import pytest

from workers.console.people import RIGHTS, Person, Right, Role, known_roles
from workers.review.desk import Pool

FORBIDDEN = 403


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.SENIOR, Role.SUPERVISOR])
@pytest.mark.parametrize("right", list(Right))
def test_a_page_opens_exactly_for_the_roles_that_have_its_right(signed, role, right):
    opened = signed("ana", role).get(f"/probe/{right.name}").status_code == 200
    assert opened is (right in RIGHTS[role])


def test_nobody_has_all_rights():
    assert all(rights != set(Right) for rights in RIGHTS.values())


def test_who_manages_people_decides_no_flags():
    assert Right.REVIEW not in RIGHTS[Role.ADMIN]
    assert Right.REVIEW not in RIGHTS[Role.AUDITOR]


def test_only_seniors_are_given_what_was_escalated():
    assert Person("ana", frozenset({Role.REVIEWER})).pools == (Pool.READY,)
    assert Pool.ESCALATED in Person("lee", frozenset({Role.SENIOR})).pools
    assert Person("kim", frozenset({Role.AUDITOR})).pools == ()


def test_a_refusal_is_a_page_for_people_and_a_problem_for_programs(signed):
    ana = signed("ana")
    page = ana.get("/probe/SET_POLICIES")
    assert (page.status_code, page.headers["content-type"][:9]) == (FORBIDDEN, "text/html")
    told = ana.get("/api/v1/probe/SET_POLICIES")
    assert told.status_code == FORBIDDEN
    assert told.json()["detail"] == "You may not set policies with the roles you have."


def test_a_refusal_is_in_the_audit_log(signed, logged):
    signed("ana").get("/probe/MANAGE_PEOPLE")
    entry = logged("access")[-1]
    assert (entry["actor"], entry["outcome"]) == ("ana", "denied")
    assert entry["detail"] == {"right": "MANAGE_PEOPLE", "method": "GET"}


def test_a_role_lost_in_mid_session_counts_at_once_and_says_so(signed, parts):
    parts.people.add("ana", [Role.SUPERVISOR])
    ana = signed("ana", Role.SUPERVISOR)
    assert ana.get("/probe/SEE_QUALITY").status_code == 200
    parts.people.set_roles("ana", [Role.REVIEWER])
    refused = ana.get("/probe/SEE_QUALITY")
    assert refused.status_code == FORBIDDEN
    assert "roles changed since you signed in" in refused.text
    assert ana.get("/probe/REVIEW").status_code == 200


class TestRemoved:
    @pytest.fixture
    def console_settings(self, console_settings):
        return console_settings.model_copy(update={"sign_in": "local"})

    def test_somebody_who_was_removed_is_signed_out(self, client, parts):
        parts.people.add("ana", [Role.REVIEWER], password="correct horse battery")
        client.get("/signin")
        client.post("/signin/local", name="ana", password="correct horse battery")
        assert client.get("/probe").status_code == 200
        parts.people.remove("ana")
        assert client.get("/probe").status_code == 303
        assert parts.sessions.of("ana") == ()


def test_a_session_is_not_believed_where_the_way_to_sign_in_was_changed(signed, app):
    ana = signed("ana")
    parts = app.state.parts
    changed = parts.settings.model_copy(update={"sign_in": "local"})
    import dataclasses

    app.state.parts = dataclasses.replace(parts, settings=changed)
    assert ana.get("/probe").status_code == 303


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("reviewer, senior", {Role.REVIEWER, Role.SENIOR}),
        (["reviewer", "root", 7, None], {Role.REVIEWER}),
        ({"reviewer": True}, set()),
        (None, set()),
        ("REVIEWER", set()),
    ],
)
def test_roles_that_nobody_knows_are_none(given, expected):
    assert known_roles(given) == expected


def test_a_role_counts_only_with_its_prefix():
    assert known_roles(["flagpost-admin", "admin"], "flagpost-") == {Role.ADMIN}
    assert known_roles(["admin"], "flagpost-") == frozenset()


def test_a_token_opens_the_api_and_nothing_else(client, parts):
    token = parts.tokens.add("exporter", [])
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.get("/api/v1/probe", headers=bearer).json()["name"] == "exporter"
    assert client.get("/probe", headers=bearer).status_code == 303
    assert client.get("/api/v1/probe/SET_POLICIES", headers=bearer).status_code == FORBIDDEN


def test_a_removed_token_stops_at_once(client, parts):
    token = parts.tokens.add("exporter", [])
    parts.tokens.remove("exporter")
    answer = client.get("/api/v1/probe", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401


def test_the_token_itself_is_kept_nowhere(parts, console_settings):
    token = parts.tokens.add("exporter", [])
    for file in console_settings.state.iterdir():
        assert token.encode() not in file.read_bytes()


def test_a_token_needs_no_form_token_because_no_browser_sends_it_by_itself(client, parts):
    token = parts.tokens.add("exporter", [])
    answer = client.http.post("/api/v1/probe", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
