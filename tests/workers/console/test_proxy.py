"""A proxy's headers are believed from listed peers only, and nowhere unless asked for."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from workers.console.forms import token_for
from workers.console.proxy import is_listed
from workers.settings import ConsoleSettings

NAMED = {"X-Forwarded-User": "ana", "X-Forwarded-Groups": "reviewer,cooks"}


def browser(app, peer: str) -> TestClient:
    return TestClient(
        app, base_url="https://console.test", follow_redirects=False, client=(peer, 50_000)
    )


def test_headers_mean_nothing_where_the_mode_is_off(app):
    answer = browser(app, "10.0.0.7").get("/probe", headers=NAMED)
    assert answer.status_code == 303


def test_no_proxy_is_listed_at_first():
    settings = ConsoleSettings()
    assert settings.sign_in != "proxy"
    assert settings.proxy_peers == ()


class TestBehindAProxy:
    @pytest.fixture
    def console_settings(self, console_settings):
        return console_settings.model_copy(
            update={"sign_in": "proxy", "proxy_peers": ("10.0.0.0/24", "fd00::/8")}
        )

    @pytest.mark.parametrize("peer", ["10.0.0.7", "fd00::1"])
    def test_a_listed_peer_says_who_it_is_and_in_which_roles(self, app, peer):
        answer = browser(app, peer).get("/probe", headers=NAMED)
        assert answer.json()["name"] == "ana"
        assert answer.json()["roles"] == ["reviewer"]

    @pytest.mark.parametrize("peer", ["10.0.1.7", "127.0.0.1", "::1", "testclient"])
    def test_any_other_peer_is_refused(self, app, peer):
        assert browser(app, peer).get("/probe", headers=NAMED).status_code == 403

    def test_what_a_browser_says_of_whom_it_came_through_is_not_read(self, app):
        spoofed = NAMED | {"X-Forwarded-For": "10.0.0.7", "Forwarded": "for=10.0.0.7"}
        assert browser(app, "192.0.2.1").get("/probe", headers=spoofed).status_code == 403

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-Forwarded-User": ""},
            {"X-Forwarded-User": "a b"},
            [("X-Forwarded-User", "ana"), ("X-Forwarded-User", "root")],
        ],
    )
    def test_headers_that_name_nobody_or_two_are_refused(self, app, headers):
        assert browser(app, "10.0.0.7").get("/probe", headers=headers).status_code == 403

    def test_a_refused_peer_is_in_the_audit_log(self, app, logged):
        browser(app, "192.0.2.1").get("/probe", headers=NAMED)
        assert logged("access")[-1]["detail"] == {"why": "192.0.2.1 is not a listed proxy"}

    def test_roles_are_what_the_proxy_says_with_each_request(self, app):
        ana = browser(app, "10.0.0.7")
        assert ana.get("/probe/REVIEW", headers=NAMED).status_code == 200
        fewer = NAMED | {"X-Forwarded-Groups": "cooks"}
        assert ana.get("/probe/REVIEW", headers=fewer).status_code == 403

    def test_a_change_needs_the_token_that_a_page_gave_this_person(self, app, parts):
        ana = browser(app, "10.0.0.7")
        session = ana.get("/probe", headers=NAMED).json()["session"]
        csrf = token_for(parts.secret, session)
        assert ana.post("/probe", headers=NAMED).status_code == 403
        assert ana.post("/probe", headers=NAMED, data={"csrf": csrf}).status_code == 200
        ben = NAMED | {"X-Forwarded-User": "ben"}
        assert ana.post("/probe", headers=ben, data={"csrf": csrf}).status_code == 403


@pytest.mark.parametrize(
    ("peer", "listed"),
    [("10.0.0.1", True), ("10.0.1.1", False), ("::ffff:10.0.0.1", False), ("", False)],
)
def test_a_peer_is_listed_by_its_own_address(peer, listed):
    assert is_listed(peer, ("10.0.0.0/24",)) is listed


class TestCountingAttempts:
    """Behind a proxy, every browser has the proxy's address; its header tells them apart."""

    @pytest.fixture
    def console_settings(self, console_settings):
        return console_settings.model_copy(
            update={"proxy_peers": ("10.0.0.0/24",), "sign_ins_per_minute": 1}
        )

    def codes(self, app, peer: str, *forwarded: str) -> list[int]:
        """Answers to sign-ins with a bad link, each told to come from another address."""
        http = browser(app, peer)
        csrf = http.get("/in/any").text.split('name="csrf" value="')[1].split('"')[0]
        data = {"token": "any", "csrf": csrf}
        return [
            http.post("/signin/link", data=data, headers={"X-Forwarded-For": told}).status_code
            for told in forwarded
        ]

    def test_a_listed_proxy_says_whom_to_count_against(self, app):
        addresses = [f"192.0.2.{number}" for number in range(8)]
        assert set(self.codes(app, "10.0.0.7", *addresses)) == {403}

    def test_a_browser_cannot_choose_its_address(self, app):
        invented = [f"203.0.113.{number}, 192.0.2.1" for number in range(6)]
        assert self.codes(app, "10.0.0.7", *invented)[-1] == 429

    def test_a_peer_that_is_not_listed_is_counted_itself(self, app):
        addresses = [f"192.0.2.{number}" for number in range(6)]
        assert self.codes(app, "192.0.2.200", *addresses)[-1] == 429
