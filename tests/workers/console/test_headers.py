"""What every answer says to the browser: load nothing foreign, keep nothing."""

from __future__ import annotations

import pytest
from fastapi import APIRouter


@pytest.mark.parametrize("path", ["/signin", "/nowhere", "/probe", "/api/v1/probe", "/static/no"])
def test_every_answer_forbids_what_is_foreign_and_inline(client, path):
    policy = client.get(path).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "*" not in policy


@pytest.mark.parametrize("path", ["/signin", "/nowhere", "/probe", "/api/v1/probe"])
def test_nothing_but_static_files_is_kept_by_a_browser(client, path):
    assert client.get(path).headers["cache-control"] == "no-store"


def test_a_static_file_is_kept_where_its_address_names_its_content(client):
    assert "immutable" in client.get("/static/console.css?v=1").headers["cache-control"]
    assert client.get("/static/console.css").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/static/gone.css?v=1", "/static/?v=1", "/static/gone.css"])
def test_a_page_that_says_a_file_is_missing_is_kept_nowhere(signed, path):
    """It names who is signed in, and the file may be there after the next start."""
    answer = signed("ana").get(path)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


def test_browsers_are_told_to_stay_with_https(client):
    assert "max-age" in client.get("/signin").headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ],
)
def test_the_other_headers_are_there(client, name, value):
    assert client.get("/signin").headers[name] == value


def test_an_address_by_another_name_is_refused(client):
    answer = client.http.get("/signin", headers={"Host": "rebound.evil.test"})
    assert answer.status_code == 400


def test_an_error_that_nobody_foresaw_says_nothing_of_the_inside_and_keeps_the_headers(app, signed):
    router = APIRouter()

    @router.get("/breaks")
    def breaks() -> None:
        raise ZeroDivisionError("secret detail")

    app.include_router(router)
    ana = signed("ana")
    ana.http._transport.raise_server_exceptions = False
    answer = ana.get("/breaks")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"


def test_pages_hold_no_inline_script_or_style(client):
    text = client.get("/in/x").text
    assert " style=" not in text
    assert "<style" not in text
    assert " on" not in "".join(part.split(">")[0] for part in text.split("<")[1:])
    assert all("src=" in part for part in text.split("<script")[1:])
