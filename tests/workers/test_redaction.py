from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.redaction import redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:hunter2@10.0.0.7:554/cam/1", "rtsp://***@10.0.0.7:554/cam/1"),
        ("redis://:hunter2@cache:6379/0", "redis://***@cache:6379/0"),
        ("https://hunter2@host/a.m3u8", "https://***@host/a.m3u8"),
        ("rtsp://user:p@hunter2/x@host/cam", "rtsp://***@host/cam"),
        ("rtsp://user:hun/ter2@host/cam", "rtsp://***@host/cam"),
        ("http://host:8080/@channel/a.ts", "http://host:8080/@channel/a.ts"),
        ("http://[::1]:80/@channel/a.ts", "http://[::1]:80/@channel/a.ts"),
        ("https://h/live.m3u8?token=hunter2&e=1", "https://h/live.m3u8?token=***&e=***"),
        ("https://h/live.m3u8?hunter2", "https://h/live.m3u8?***"),
        ("https://h/a#hunter2", "https://h/a#***"),
        ("rtmp://live.example/app/hunter2", "rtmp://live.example/app/***"),
        ("rtmp://live.example/app", "rtmp://live.example/app"),
        ("https://h/v1/" + "Ab3_" * 12 + ".m3u8", "https://h/v1/***.m3u8"),
        ("/home/me/clip.mp4", "/home/me/clip.mp4"),
    ],
)
def test_what_opens_a_door_is_masked_and_the_rest_stays_readable(url, shown):
    assert redacted(url) == shown


def test_urls_inside_a_sentence_are_masked_where_they_stand():
    text = "Opening 'http://u:hunter2@h/a.ts?k=hunter2' for reading failed"
    assert redacted(text) == "Opening 'http://***@h/a.ts?k=***' for reading failed"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Basic aHVudGVyMg==",
        "proxy-authorization: hunter2",
        "sasl_password=hunter2 refused",
        "token: hunter2",
    ],
)
def test_headers_and_assignments_outside_urls_are_masked(text):
    assert "hunter2" not in redacted(text)
    assert "aHVudGVyMg" not in redacted(text)


@given(
    st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), min_size=8, max_size=20),
    st.sampled_from(["rtsp", "http", "https", "rtmp", "srt"]),
)
def test_no_password_or_query_value_survives(secret, scheme):
    secret = f"Q{secret}Z9"
    shown = redacted(f"{scheme}://user:{secret}@example.net/live/a.m3u8?key={secret}")
    assert secret not in shown
    assert "example.net" in shown


@given(st.text())
def test_any_text_is_taken_and_masking_twice_changes_nothing(text):
    once = redacted(text)
    assert redacted(once) == once
