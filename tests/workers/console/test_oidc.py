"""Sign-in by OpenID Connect, against a provider that really answers, and sometimes lies."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from joserfc.jwk import RSAKey

from tests.workers.console.conftest import probes
from tests.workers.console.provider import CLIENT, running_provider, served
from workers.brokers import free_port
from workers.console.application import create_app
from workers.console.audit import entries
from workers.console.parts import made_parts
from workers.console.people import Role
from workers.console.rates import REFUSALS_PER_MINUTE
from workers.settings import ConsoleSettings


@pytest.fixture(scope="module")
def provider():
    with running_provider() as running:
        yield running


@pytest.fixture(autouse=True)
def honest(provider):
    from tests.workers.console.provider import Lies

    provider.lies = Lies()
    provider.person = {"sub": "u-1", "name": "Ana A.", "roles": ["reviewer"]}


@pytest.fixture
def console_settings(tmp_path, provider) -> ConsoleSettings:
    return ConsoleSettings(
        state=tmp_path / "state",
        port=free_port(),
        sign_in="oidc",
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT,
        sign_ins_per_minute=100_000,
    )


@pytest.fixture
def console(console_settings, redis_settings, evidence_settings):
    """The console on loopback; the address is its own."""
    parts = made_parts(console_settings, redis_settings, evidence_settings)
    app = create_app(parts)
    app.include_router(probes)
    with served(app, console_settings.port):
        yield f"http://127.0.0.1:{console_settings.port}", parts
    parts.close()


@pytest.fixture
def browser(console):
    with httpx2.Client(base_url=console[0], follow_redirects=True) as made:
        yield made


def signed_in(browser: httpx2.Client) -> httpx2.Response:
    return browser.get("/signin/oidc", params={"next": "/probe"})


def test_somebody_with_a_role_comes_back_signed_in_to_where_they_were(browser):
    answer = signed_in(browser)
    assert answer.url.path == "/probe"
    assert answer.json()["roles"] == ["reviewer"]


def test_the_name_is_a_stable_pseudonym_and_the_real_one_is_stored_with_no_decision(browser):
    first = signed_in(browser).json()["name"]
    browser.cookies.clear()
    assert signed_in(browser).json()["name"] == first
    assert first.startswith("p-")
    assert "Ana" not in first


def test_another_person_has_another_name(browser, provider):
    first = signed_in(browser).json()["name"]
    provider.person["sub"] = "u-2"
    browser.cookies.clear()
    assert signed_in(browser).json()["name"] != first


def test_somebody_without_a_role_is_told_and_logged(browser, provider, console):
    provider.person["roles"] = ["cook"]
    answer = signed_in(browser)
    assert answer.status_code == 403
    assert "no role in this console" in answer.text
    assert console[1].sessions.signed_in() == ()


LIES: dict[str, dict[str, Any]] = {
    "another issuer": {"claims": {"iss": "http://evil.test"}},
    "no issuer": {"claims": {"iss": None}},
    "another audience": {"claims": {"aud": "another-client"}},
    "another audience that names us as the party": {"claims": {"aud": "other", "azp": CLIENT}},
    "no audience": {"claims": {"aud": None}},
    "several audiences without a party": {"claims": {"aud": [CLIENT, "other"]}},
    "another nonce": {"claims": {"nonce": "guessed"}},
    "no nonce": {"claims": {"nonce": None}},
    "a token that is over": {"claims": {"iat": 1_000, "exp": 2_000}},
    "no end": {"claims": {"exp": None}},
    "no subject": {"claims": {"sub": None}},
    "a key that is not the provider's": {"key": RSAKey.generate_key(2048, {"kid": "k1"})},
    "the public key as a shared secret": {"algorithm": "HS256"},
    "no signature": {"algorithm": "none"},
    "no ID token at all": {"drops_id_token": True},
    "another state": {"state": "guessed"},
    "a refusal": {"error": "access_denied"},
}


@pytest.mark.parametrize("lie", LIES)
def test_nobody_is_signed_in_on(browser, provider, console, lie):
    for name, value in LIES[lie].items():
        setattr(provider.lies, name, value)
    answer = signed_in(browser)
    assert answer.status_code == 403
    assert "was not accepted" in answer.text
    assert console[1].sessions.signed_in() == ()


def test_a_refused_sign_in_is_in_the_audit_log(browser, provider, console):
    provider.lies.claims = {"nonce": "guessed"}
    signed_in(browser)
    from workers.console.audit import entries

    last = list(entries(console[1].audit.path))[-1]
    assert (last["action"], last["subject"], last["outcome"]) == ("sign-in", "oidc", "denied")


def test_a_stranger_cannot_fill_the_audit_log(console, browser):
    path, _ = "/signin/oidc/return", browser.get("/signin")
    codes = [
        browser.get(path, params={"error": "denied", "error_description": "x" * 3000}).status_code
        for _ in range(REFUSALS_PER_MINUTE + 5)
    ]
    assert codes[-1] == 429
    refusals = [e for e in entries(console[1].audit.path) if e["outcome"] == "denied"]
    assert len(refusals) <= 2 * REFUSALS_PER_MINUTE


def test_an_address_cannot_put_words_into_the_console_s_mouth(browser):
    told = {"error": "access_denied", "error_description": "Call 555-0100 to be let in"}
    answer = browser.get("/signin/oidc/return", params=told)
    assert "access_denied" in answer.text
    assert "555" not in answer.text
    told["error"] = "Call 555-0100"
    assert "555" not in browser.get("/signin/oidc/return", params=told).text


def test_an_answer_to_another_browser_s_request_signs_nobody_in(console, browser):
    """The login of an attacker, slipped to somebody: their browser never asked for it."""
    with httpx2.Client(base_url=console[0]) as attacker:
        away = attacker.get("/signin/oidc").headers["location"]
        back = httpx2.get(away).headers["location"]
    assert browser.get(back).status_code == 403


def test_an_answer_works_once(browser):
    browser.follow_redirects = False
    back = httpx2.get(browser.get("/signin/oidc").headers["location"]).headers["location"]
    assert browser.get(back).status_code == 303
    browser.cookies.clear()
    assert browser.get(back).status_code == 403


def test_a_provider_that_turned_its_key_is_followed(browser, provider):
    signed_in(browser)
    provider.turn_key()
    browser.cookies.clear()
    assert signed_in(browser).url.path == "/probe"


def test_a_provider_that_calls_itself_by_another_name_is_refused(browser, provider):
    provider.lies.issuer = "http://evil.test"
    assert signed_in(browser).status_code == 503


def test_the_sign_in_never_leads_to_another_site(browser):
    answer = browser.get("/signin/oidc", params={"next": "https://evil.test/"})
    assert str(answer.url).startswith(str(browser.base_url))


class TestRolesBelow:
    @pytest.fixture
    def console_settings(self, console_settings):
        return console_settings.model_copy(
            update={
                "oidc_roles_claim": "realm_access.roles",
                "oidc_role_prefix": "flagpost-",
                "oidc_name_claim": "preferred_username",
            }
        )

    def test_roles_and_name_come_from_the_claims_that_the_settings_name(self, browser, provider):
        provider.person |= {
            "preferred_username": "ana",
            "realm_access": {"roles": ["flagpost-senior", "admin"]},
        }
        assert signed_in(browser).json() | {"session": ""} == {
            "name": "ana",
            "roles": [Role.SENIOR],
            "session": "",
        }


class TestAway:
    @pytest.fixture
    def console_settings(self, console_settings):
        away = f"http://127.0.0.1:{free_port()}"
        return console_settings.model_copy(update={"oidc_issuer": away})

    def test_a_provider_that_does_not_answer_is_said_to_be_away(self, browser):
        answer = signed_in(browser)
        assert answer.status_code == 503
        assert "does not answer" in answer.text
