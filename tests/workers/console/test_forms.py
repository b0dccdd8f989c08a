"""Nothing changes unless this console's own page asked for it."""

from __future__ import annotations

import pytest

from workers.console.rates import REFUSALS_PER_MINUTE

FORBIDDEN = 403


def test_a_form_with_the_session_s_token_is_taken(signed):
    assert signed("ana").post("/probe").status_code == 200


def test_a_script_may_send_the_token_as_a_header(signed):
    assert signed("ana").post_json("/probe", {}).status_code == 200


@pytest.mark.parametrize("token", ["", "0" * 64, "\u00e9"])
def test_a_form_without_the_right_token_changes_nothing(signed, token):
    answer = signed("ana").post("/probe", csrf=token)
    assert answer.status_code == FORBIDDEN
    assert "Nothing was changed" in answer.text


def test_the_token_of_another_session_is_refused(signed):
    ana, ben = signed("ana"), signed("ben")
    assert ana.post("/probe", csrf=ben.csrf).status_code == FORBIDDEN


def test_the_api_asks_a_browser_for_the_token_too(signed):
    ana = signed("ana")
    assert ana.http.post("/api/v1/probe", json={}).status_code == FORBIDDEN
    assert ana.post_json("/api/v1/probe", {}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://console.test"])
def test_another_origin_is_refused_even_with_the_token(signed, origin):
    ana = signed("ana")
    headers = {"Origin": origin}
    answer = ana.http.post("/probe", data={"csrf": ana.csrf}, headers=headers)
    assert answer.status_code == FORBIDDEN


@pytest.mark.parametrize(
    ("site", "code"),
    [("same-origin", 200), ("none", 200), ("same-site", FORBIDDEN), ("cross-site", FORBIDDEN)],
)
def test_what_the_browser_says_of_the_site_counts(signed, site, code):
    ana = signed("ana")
    headers = {"Sec-Fetch-Site": site}
    assert ana.http.post("/probe", data={"csrf": ana.csrf}, headers=headers).status_code == code


def test_the_own_origin_is_taken(signed):
    ana = signed("ana")
    headers = {"Origin": "https://console.test"}
    assert ana.http.post("/probe", data={"csrf": ana.csrf}, headers=headers).status_code == 200


def test_a_page_that_sends_no_referrer_is_known_by_what_else_its_browser_says(signed):
    """Browsers call the origin of such a form `null`, as that of a sandboxed foreign page."""
    ana = signed("ana")
    unnamed = {"Origin": "null"}
    own = unnamed | {"Sec-Fetch-Site": "same-origin"}
    assert ana.http.post("/probe", data={"csrf": ana.csrf}, headers=own).status_code == 200
    refused = ana.http.post("/probe", data={"csrf": ana.csrf}, headers=unnamed)
    assert refused.status_code == FORBIDDEN


def test_what_was_typed_is_not_lost_when_a_page_was_too_old(signed):
    ana = signed("ana")
    headers = {"Origin": "https://console.test"}
    typed = {"csrf": "0" * 64, "note": "a <b>long</b> note"}
    answer = ana.http.post("/probe", data=typed, headers=headers)
    assert "a &lt;b&gt;long&lt;/b&gt; note" in answer.text


def test_what_another_site_sent_is_not_offered_for_sending_again(signed):
    ana = signed("ana")
    typed = {"csrf": "0" * 64, "note": "planted"}
    answer = ana.http.post("/probe", data=typed, headers={"Origin": "https://evil.test"})
    assert "planted" not in answer.text


def test_a_refused_change_is_in_the_audit_log(signed, logged):
    signed("ana").post("/probe", csrf="")
    entry = logged("forged")[-1]
    assert (entry["subject"], entry["outcome"]) == ("/probe", "denied")


def test_a_stranger_cannot_fill_the_audit_log(client, logged):
    codes = [client.http.post("/probe").status_code for _ in range(REFUSALS_PER_MINUTE + 5)]
    assert codes[-1] == 429
    assert len(logged("forged")) <= 2 * REFUSALS_PER_MINUTE


def test_the_sign_in_form_has_a_token_of_its_own(client, parts):
    assert client.http.post("/signin/link", data={"token": "any"}).status_code == FORBIDDEN


def test_a_body_that_is_too_long_is_not_read(signed):
    ana = signed("ana")
    assert ana.post("/probe", note="x" * (2 << 20)).status_code == 413


@pytest.mark.parametrize("letter", ["x", "\u00e9", "<", "\U0001f600"])
def test_a_note_of_a_hundred_thousand_characters_arrives(signed, letter):
    assert signed("ana").post("/probe", note=letter * 100_000).status_code == 200


def test_a_body_without_a_length_is_counted_as_it_comes(signed):
    ana = signed("ana")
    pieces = (b"x" * 65_536 for _ in range(80))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert ana.http.post("/probe", content=pieces, headers=headers).status_code == 413
