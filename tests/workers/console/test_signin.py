"""People sign in by a link that works once, or by a password; and out again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.servers import wait_until
from workers.console.links import LinkRefused
from workers.console.parts import ConsoleParts
from workers.console.people import Role
from workers.console.signin import own_path

MINUTE = timedelta(minutes=1)
PASSWORD = "correct horse battery"


@pytest.fixture
def token(parts: ConsoleParts) -> str:
    return parts.links.make("ana", [Role.REVIEWER], MINUTE)


def test_a_page_sends_a_stranger_to_the_sign_in_and_back_again(client):
    answer = client.get("/probe")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/signin?next=/probe"


def test_the_api_tells_a_stranger_401_as_a_problem_document(client):
    answer = client.get("/api/v1/probe")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_link_signs_in_once(client, token):
    client.get(f"/in/{token}")
    assert client.post("/signin/link", token=token).status_code == 303
    assert client.get("/probe").json()["name"] == "ana"


def test_a_link_is_refused_the_second_time(client, signed, token, parts):
    first = signed("ben")
    first.post("/signin/link", token=token)
    client.get(f"/in/{token}")
    answer = client.post("/signin/link", token=token)
    assert answer.status_code == 403
    assert "used before" in answer.text


def test_opening_a_link_does_not_use_it_so_no_preview_can(client, token, parts):
    client.get(f"/in/{token}")
    client.get(f"/in/{token}")
    assert parts.links.is_open(token)


@pytest.mark.parametrize("bent", [lambda t: t[:-1], lambda t: "x" + t, lambda t: "", lambda t: "."])
def test_a_bent_link_is_refused(client, token, bent):
    client.get("/in/any")
    answer = client.post("/signin/link", token=bent(token))
    assert answer.status_code == 403
    assert "not made here" in answer.text


def test_a_link_made_with_another_secret_is_refused(parts, redis_settings):
    from workers.console.links import OneTimeLinks

    elsewhere = OneTimeLinks(b"x" * 32, redis_settings)
    with pytest.raises(LinkRefused, match="not made here"):
        parts.links.use(elsewhere.make("ana", [Role.ADMIN], MINUTE))
    elsewhere.close()


def test_a_link_ends_with_its_time(parts):
    token = parts.links.make("ana", [Role.REVIEWER], timedelta(milliseconds=1))
    wait_until(lambda: not parts.links.is_open(token))
    with pytest.raises(LinkRefused, match="time is over"):
        parts.links.use(token)


def test_revoking_somebody_spoils_the_links_made_for_them(parts, token):
    parts.sessions.revoke("ana")
    with pytest.raises(LinkRefused, match="withdrawn"):
        parts.links.use(token)


def test_a_refused_link_is_in_the_audit_log(client, logged):
    client.get("/in/forged")
    client.post("/signin/link", token="forged")
    assert logged("sign-in")[-1]["outcome"] == "denied"


def test_the_session_cookie_is_bound_to_the_host_and_closed_to_scripts(client, token):
    client.get(f"/in/{token}")
    cookies = client.post("/signin/link", token=token).headers.get_list("set-cookie")
    session = next(c for c in cookies if c.startswith("__Host-flagpost-session="))
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(session.split("; "))
    assert "Domain" not in session


def test_signing_in_again_ends_the_session_before(signed, parts):
    ana = signed("ana")
    before = parts.sessions.of("ana")
    ana.post("/signin/link", token=parts.links.make("ana", [Role.REVIEWER], MINUTE))
    after = parts.sessions.of("ana")
    assert len(before) == len(after) == 1
    assert before != after


def test_signing_out_ends_the_session_on_the_server(signed, parts):
    ana = signed("ana")
    assert ana.post("/signout").headers["location"] == "/signin"
    assert parts.sessions.of("ana") == ()
    assert ana.get("/probe").status_code == 303


@pytest.mark.parametrize(
    "target", ["https://evil.test/", "//evil.test", "/\\evil.test", "evil", "/a\nb", "/" * 600]
)
def test_a_sign_in_never_leads_to_another_site(target):
    assert own_path(target) == "/"


def test_a_sign_in_leads_back_to_where_it_began():
    assert own_path("/streams/s1?page=2") == "/streams/s1?page=2"


class TestPasswords:
    @pytest.fixture
    def console_settings(self, console_settings):
        return console_settings.model_copy(update={"sign_in": "local"})

    @pytest.fixture
    def ana(self, client, parts):
        parts.people.add("ana", [Role.SENIOR], "Ana", PASSWORD)
        client.get("/signin")
        return client

    def test_the_right_password_signs_in(self, ana):
        answer = ana.post("/signin/local", name="ana", password=PASSWORD, next="/queue")
        assert answer.headers["location"] == "/queue"
        assert ana.get("/probe").json()["roles"] == ["senior"]

    @pytest.mark.parametrize(
        ("name", "password"),
        [("ana", "wrong horse battery"), ("nobody", PASSWORD), ("ana", ""), ("ana", "x" * 4000)],
    )
    def test_anything_else_is_refused_with_one_text_and_logged(self, ana, logged, name, password):
        answer = ana.post("/signin/local", name=name, password=password)
        assert answer.status_code == 403
        assert "do not fit together" in answer.text
        assert password == "" or password not in answer.text
        entry = logged("sign-in")[-1]
        assert (entry["subject"], entry["outcome"]) == (name, "denied")

    def test_a_link_does_not_sign_in_where_passwords_do(self, ana, parts):
        token = parts.links.make("ana", [Role.ADMIN], MINUTE)
        assert ana.post("/signin/link", token=token).status_code == 303
        assert ana.get("/probe").status_code == 303

    def test_a_person_without_a_password_cannot_sign_in_by_one(self, ana, parts):
        parts.people.add("ben", [Role.REVIEWER])
        assert ana.post("/signin/local", name="ben", password="").status_code == 403


class TestTooManyAttempts:
    @pytest.fixture
    def console_settings(self, console_settings):
        return console_settings.model_copy(update={"sign_in": "local", "sign_ins_per_minute": 3})

    def test_guessing_is_slowed_down(self, client):
        client.get("/signin")
        codes = [
            client.post("/signin/local", name="ana", password="x").status_code for _ in range(5)
        ]
        assert codes == [403, 403, 403, 429, 429]
