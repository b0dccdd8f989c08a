"""Every route of the console against every role: who is let in stands here, and nowhere twice.

The table is compared with the application's own routes, so a route that nobody thought of fails.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from starlette.routing import Mount

from tests.workers.console.browsers import Browser
from workers.console.application import create_app
from workers.console.people import Right, Role

OPEN = {
    ("GET", "/"),
    ("GET", "/signin"),
    ("GET", "/in/{token}"),
    ("POST", "/signin/link"),
    ("POST", "/signin/local"),
    ("POST", "/signout"),
    ("GET", "/api/v1/openapi.json"),
}
"""Routes that ask for nobody's name; those that change something still ask for the form's token."""
SIGNED = {("GET", "/guide")}
"""Routes for everybody who is signed in."""
FLAG = "/work/{flag_id}/"
BY_RIGHT = {
    Right.REVIEW: {
        ("GET", "/work"),
        ("POST", "/work/next"),
        ("POST", "/work/undo"),
        ("POST", "/work/forget"),
        *(
            ("POST", FLAG + action)
            for action in (
                *("decide", "renew", "hold", "skip", "release", "escalate", "second", "park"),
                *("look", "reveal"),
            )
        ),
        ("GET", "/mine"),
        ("GET", "/care"),
        *(("POST", f"/care/{what}") for what in ("break", "categories", "keys", "theme")),
        ("POST", "/api/v1/claims"),
        ("GET", "/api/v1/claims/mine"),
        *(
            ("POST", f"/api/v1/flags/{{flag_id}}/{action}")
            for action in ("renew", "decision", "skip", "release", "undo")
        ),
    },
    Right.HAND_OVER: {("POST", FLAG + "hand")},
    Right.SEE_QUEUE: {
        ("GET", "/queue"),
        ("GET", "/events"),
        ("GET", "/media/{flag_id}/{name}"),
        ("GET", "/streams/{stream_id:path}"),
        ("GET", "/api/v1/counts"),
        ("GET", "/api/v1/flags/{flag_id}"),
    },
    Right.BULK: {("POST", "/queue/move"), ("POST", "/streams/check"), ("POST", "/streams/decide")},
    Right.SEE_QUALITY: {("GET", "/quality")},
    Right.SET_POLICIES: {("GET", "/settings"), ("POST", "/settings")},
    Right.MANAGE_PEOPLE: {
        ("GET", "/people"),
        *(("POST", f"/people{what}") for what in ("", "/roles", "/remove", "/revoke")),
    },
    Right.USE_API: {("GET", "/api/v1/policies")},
    Right.SEE_DECISIONS: {("GET", "/api/v1/decisions")},
}
MAY = {
    Role.REVIEWER: {Right.REVIEW, Right.HAND_OVER, Right.SEE_QUEUE, Right.USE_API},
    Role.SENIOR: {Right.REVIEW, Right.HAND_OVER, Right.SEE_QUEUE, Right.USE_API, Right.BULK},
    Role.SUPERVISOR: set(BY_RIGHT) - {Right.MANAGE_PEOPLE},
    Role.ADMIN: {Right.SEE_QUEUE, Right.SET_POLICIES, Right.MANAGE_PEOPLE},
    Role.AUDITOR: {Right.SEE_QUEUE, Right.SEE_QUALITY, Right.SEE_DECISIONS},
    Role.SERVICE: {Right.USE_API, Right.SEE_QUEUE, Right.SEE_DECISIONS},
}
"""Written out a second time, so that a slip in the rights of a role shows here."""
GUARDED = sorted(
    (right, method, path) for right, routes in BY_RIGHT.items() for method, path in routes
)
EVERY = sorted(OPEN | SIGNED | {(method, path) for _, method, path in GUARDED})
MEDIA = ("GET", "/media/{flag_id}/{name}")
"""Refuses without a signed address, whoever asks."""
LONG = {("GET", "/events")}
"""Answers that do not end by themselves; whether they begin is tested where they are."""


@pytest.fixture
def app(parts) -> FastAPI:
    return create_app(parts)


@pytest.fixture
def exporter(app, parts) -> Iterator[Browser]:
    """A program with a token and no other role."""
    bearer = {"Authorization": f"Bearer {parts.tokens.add('exporter', [])}"}
    with TestClient(
        app, base_url="https://console.test", follow_redirects=False, headers=bearer
    ) as http:
        yield Browser(http, parts)


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of everything that is answered, but for mounted files."""
    for found in iter_route_contexts(app.router.routes):
        if isinstance(found.route, Mount):
            assert found.path == "/static"
        else:
            assert found.path, found
            assert found.methods, f"{found}: what is answered there is not tested"
            yield from ((method, found.path) for method in found.methods)


def sent(browser: Browser, method: str, path: str) -> int:
    """The status of a request with nothing in it but the form's token."""
    address = path.replace("{flag_id}", "0" * 26).replace("{name}", "00.jpg")
    address = address.replace("{stream_id:path}", "cam").replace("{token}", "x")
    if method == "GET":
        return browser.get(address).status_code
    if path.startswith("/api/"):
        return browser.post_json(address, {}).status_code
    return browser.post(address).status_code


def test_the_table_names_every_route(app):
    found = {(method, path) for method, path in routes_of(app) if method != "HEAD"}
    assert sorted(found) == EVERY


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.SERVICE])
def test_a_role_opens_what_its_rights_say_and_nothing_else(signed, role):
    browser = signed("ana", role)
    for right, method, path in GUARDED:
        if (method, path) not in LONG:
            is_let_in = sent(browser, method, path) not in (401, 403)
            assert is_let_in is (right in MAY[role]) or (method, path) == MEDIA, (method, path)


@pytest.mark.parametrize("role", list(Role))
def test_a_refused_role_is_told_so_and_it_is_logged(app, signed, logged, role):
    browser = signed("ana", role)
    refused = [(m, p) for right, m, p in GUARDED if right not in MAY[role] and (m, p) not in LONG]
    for method, path in refused:
        assert sent(browser, method, path) == 403, (method, path)
    assert [entry["outcome"] for entry in logged("access")] == ["denied"] * len(refused)


def test_a_program_opens_no_page_and_only_its_part_of_the_api(exporter):
    for right, method, path in GUARDED:
        if path.startswith("/api/"):
            is_let_in = sent(exporter, method, path) not in (401, 403)
            assert is_let_in is (right in MAY[Role.SERVICE]), (method, path)
        elif method == "GET":
            assert sent(exporter, method, path) == 303, (method, path)
        else:
            assert sent(exporter, method, path) == 403, (method, path)


def test_a_stranger_opens_only_what_leads_to_a_sign_in(client):
    for method, path in EVERY:
        status = sent(client, method, path)
        if (method, path) in OPEN and method == "GET":
            assert status in (200, 303), (method, path)
        elif method == "GET":
            assert status == (401 if path.startswith("/api/") else 303), (method, path)
        else:
            assert status in (303, 401, 403), (method, path)


@pytest.mark.parametrize("headers", [{}, {"Sec-Fetch-Site": "cross-site"}])
def test_nothing_is_changed_without_the_form_s_token(signed, headers):
    browser = signed("ana", *MAY)
    browser.csrf = "0" * 64
    browser.http.headers.update(headers)
    for method, path in EVERY:
        if method != "GET":
            assert sent(browser, method, path) == 403, (method, path)
