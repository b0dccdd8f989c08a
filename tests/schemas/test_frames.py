"""A frame message is read exactly as it was written, or refused with what is wrong."""

from datetime import UTC, datetime, timedelta

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import MessageRejected
from schemas.examples import frame_message
from schemas.frames import (
    REQUIRED_HEADERS,
    ContentType,
    EventType,
    FrameMessage,
    StreamMetadata,
    frame_message_from_record,
)
from schemas.published import json_schema

IDS = st.from_regex(r"[A-Za-z0-9_.:@/+=~-]{1,40}", fullmatch=True)
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
MESSAGES = st.builds(
    FrameMessage,
    event_type=st.just(EventType.FRAMES),
    event_id=IDS,
    source=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50),
    stream_id=IDS,
    session_id=IDS,
    sequence=st.integers(0, 10**17),
    captured_at=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
    duration=st.integers(0, 600_000).map(lambda ms: timedelta(milliseconds=ms)),
    content_type=st.sampled_from(ContentType),
    dataref=TEXTS,
    metadata=st.builds(
        StreamMetadata, title=TEXTS, category=TEXTS, viewers=st.none() | st.integers(0, 10**9)
    ),
    data=st.binary(min_size=1, max_size=100),
)


def headers_with(**changes: bytes | None) -> list[tuple[str, bytes]]:
    """The example's headers, some replaced, added or (None) left out; `_` stands for `-`."""
    named = {
        name if name.startswith("ce_") else name.replace("_", "-"): text
        for name, text in changes.items()
    }
    headers = dict(frame_message().headers()) | named
    return [(name, text) for name, text in headers.items() if text is not None]


def rejection(headers, value: bytes | None = b"media") -> MessageRejected:
    with pytest.raises(MessageRejected) as caught:
        frame_message_from_record(headers, value)
    return caught.value


@given(MESSAGES)
def test_what_a_producer_writes_is_what_a_worker_reads(message: FrameMessage):
    assert frame_message_from_record(message.headers(), message.data) == message


@settings(deadline=None)  # the first time, the schema is made
@given(MESSAGES)
def test_headers_fit_the_published_schema(message: FrameMessage):
    headers = {name: text.decode() for name, text in message.headers()}
    jsonschema.validate(headers, json_schema("frames"))


@pytest.mark.parametrize("name", REQUIRED_HEADERS)
def test_a_missing_header_is_named(name: str):
    refused = rejection(headers_with(**{name: None}))
    assert (refused.field, refused.got) == (name, "no such header")
    assert "flagpost schema frames" in refused.expected


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("ce_specversion", b"0.3", "'1.0'"),
        ("ce_type", b"org.flagpost.frames.v2", "org.flagpost.frames.v1"),
        ("ce_source", b"", "at least 1 character"),
        ("ce_id", b"", "at least 1 character"),
        ("ce_streamid", b"a b", "match pattern"),
        ("ce_streamid", b"x" * 201, "at most 200 characters"),
        ("ce_sessionid", b"", "at least 1 character"),
        ("ce_sequence", b"-1", "greater than or equal to 0"),
        ("ce_sequence", b"one", "valid integer"),
        ("ce_sequence", b"9" * 5000, "integer"),
        ("ce_time", b"12:00", "valid datetime"),
        ("ce_time", b"2026-03-01T12:00:04", "timezone"),
        ("ce_durationms", b"2 s", "milliseconds as digits"),
        ("ce_durationms", b"-5", "milliseconds as digits"),
        ("ce_durationms", "²".encode(), "milliseconds as digits"),
        ("ce_durationms", b"600001", "10 minutes"),
        ("ce_durationms", b"9999999999", "milliseconds as digits"),
        ("content-type", b"text/plain", "video/mp2t"),
        ("ce_dataref", b"x" * 2001, "at most 2000 characters"),
    ],
)
def test_a_header_that_does_not_fit_is_named_with_what_came_and_what_was_expected(
    name: str, text: bytes, expected: str
):
    refused = rejection(headers_with(**{name: text}))
    assert refused.field == name
    assert expected in refused.expected
    assert text.decode()[:20] in refused.got
    assert len(str(refused)) < 600


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (b"{", "ce_metadata"),
        (b"[]", "ce_metadata"),
        (b'{"colour": "red"}', "ce_metadata.colour"),
        (b'{"viewers": -1}', "ce_metadata.viewers"),
        (b'{"title": "' + b"x" * 501 + b'"}', "ce_metadata.title"),
    ],
)
def test_metadata_that_does_not_fit_names_its_field(text: bytes, field: str):
    assert rejection(headers_with(ce_metadata=text)).field == field


def test_a_header_that_is_no_text_is_named():
    refused = rejection(headers_with(ce_source=b"\xff\xfe"))
    assert (refused.field, refused.expected) == ("ce_source", "UTF-8 text")


def test_frames_without_a_content_type_are_refused():
    assert "content-type" in str(rejection(headers_with(content_type=None)))


@pytest.mark.parametrize("value", [b"", None])
def test_frames_without_media_or_reference_are_refused(value: bytes | None):
    refused = rejection(headers_with(), value)
    assert (refused.field, refused.got) == ("value", "nothing")
    assert refused.expected == "media, or a ce_dataref that names it elsewhere"


def test_a_reference_may_stand_for_the_media():
    headers = headers_with(ce_dataref=b"s3://segments/2.ts")
    assert frame_message_from_record(headers, b"").dataref == "s3://segments/2.ts"


def test_the_end_of_a_stream_needs_no_media():
    headers = headers_with(ce_type=b"org.flagpost.end-of-stream.v1", content_type=None)
    assert frame_message_from_record(headers, None).event_type is EventType.END_OF_STREAM


def test_a_record_without_headers_is_refused():
    assert rejection(None).field == "ce_specversion"


def test_header_names_may_come_in_capitals_and_unknown_ones_are_ignored():
    headers = [(name.upper(), text) for name, text in headers_with()] + [("trace", b"1")]
    assert frame_message_from_record(headers, b"<segment.ts>") == frame_message()
