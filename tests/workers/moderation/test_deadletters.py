"""A refused message keeps its bytes and says where it came from and why; many stop the worker."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from uuid import uuid4

import pytest

from schemas.examples import frame_message
from tests.servers import create_topics, kafka_settings
from workers.moderation.arena import Arena
from workers.moderation.deadletters import (
    CircuitBreaker,
    DeadLetterPublisher,
    Refusals,
    TooManyDeadLetters,
    attempt_of,
)
from workers.moderation.lanes import Entry, Refusal
from workers.moderation.publish import Outgoing
from workers.moderation.source import Record
from workers.moderation.watermark import Partition
from workers.operations.set_aside import DeadLetter, TopicReader
from workers.settings import MIB, KafkaSettings

REFUSAL = Refusal("truncated", "got 10 bytes, expected a whole segment")


def record(**changes: object) -> Record:
    headers = tuple(frame_message().headers())
    made = Record(Partition("frames", 3), 17, 1_700_000_000_000, b"s1", headers, b"media", 1)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture
def settings(tansu) -> KafkaSettings:
    topic = f"dead-{uuid4().hex[:8]}"
    create_topics(tansu.address, 1, topic)
    return kafka_settings(tansu.address, dead_letters_topic=topic, max_message_bytes=MIB)


def written(settings: KafkaSettings, *records: Record) -> list[DeadLetter]:
    publisher = DeadLetterPublisher(settings)
    for one in records:
        publisher.publish(one, one.value, REFUSAL)
        publisher.flush()
    publisher.close()
    with TopicReader(settings) as reader:
        return list(reader.dead_letters(lambda count, total: None))


def test_a_dead_letter_keeps_the_message_and_says_where_it_lay_and_why(settings: KafkaSettings):
    (letter,) = written(settings, record())
    assert (letter.source, letter.stream) == ("frames:3:17", "s1")
    assert (letter.reason, letter.detail) == (REFUSAL.reason, REFUSAL.detail)
    assert (letter.value, letter.size_bytes, letter.attempt) == (b"media", 5, 1)
    assert letter.sha256 == hashlib.sha256(b"media").hexdigest()
    assert letter.original_headers() == frame_message().headers()


def test_media_over_the_limit_stays_at_its_source_and_leaves_its_digest(settings: KafkaSettings):
    media = b"x" * MIB
    (letter,) = written(settings, record(value=media))
    assert not letter.has_media
    assert (letter.value, letter.size_bytes) == (b"", MIB)
    assert letter.sha256 == hashlib.sha256(media).hexdigest()


def test_headers_with_bytes_that_are_no_text_are_kept(settings: KafkaSettings):
    headers = (("ce_source", b"\xff\xfe"), ("ce_time", b"12:00"))
    (letter,) = written(settings, record(headers=headers, key=b"\xff", value=None))
    assert letter.original_headers() == list(headers)
    assert letter.value == b""


def test_a_message_that_comes_back_counts_its_attempts(settings: KafkaSettings):
    headers = (*frame_message().headers(), ("dl_attempt", b"2"), ("dl_reason", b"old"))
    (letter,) = written(settings, record(headers=headers))
    assert (letter.attempt, letter.reason) == (3, "truncated")


@pytest.mark.parametrize("text", [b"", b"-1", b"x", b"9" * 5000, b"\xff"])
def test_an_attempt_that_is_no_count_is_none(text: bytes):
    assert attempt_of((("dl_attempt", text),)) == 0


def test_dead_letters_in_a_row_of_several_streams_stop_the_worker():
    breaker = CircuitBreaker(limit=4)
    for stream in (b"s1", b"s2", b"s1"):
        breaker.bad(stream, REFUSAL)
    with pytest.raises(TooManyDeadLetters, match=r"4 messages in a row of 3 streams.*truncated"):
        breaker.bad(b"s3", REFUSAL)


def test_one_hostile_stream_never_stops_the_worker():
    breaker = CircuitBreaker(limit=4)
    for _ in range(1000):
        breaker.bad(b"hostile", REFUSAL)


def test_a_good_message_between_starts_the_count_anew():
    breaker = CircuitBreaker(limit=4)
    for _ in range(20):
        for stream in (b"s1", b"s2", b"s3"):
            breaker.bad(stream, REFUSAL)
        breaker.good()


def refused(key: bytes, reason: str) -> Outgoing:
    entry = Entry(1, record(key=key), None)
    entry.refuse(reason, "got 10 bytes, expected a whole segment")
    return Outgoing(entry, None)


def test_refusals_go_on_when_the_broker_holds_them_and_are_logged_once(
    settings: KafkaSettings, caplog: pytest.LogCaptureFixture
):
    publisher, arena = DeadLetterPublisher(settings), Arena(MIB)
    refusals = Refusals(publisher, arena)
    wanted = [(b"s1", "truncated"), (b"s1", "truncated"), (b"s2", "truncated"), (b"s1", "contract")]
    for key, reason in wanted:
        refusals.add(refused(key, reason))
    assert len(refusals.acknowledged()) == 4
    assert len(refusals.acknowledged()) == 0
    publisher.close()
    arena.close()
    with TopicReader(settings) as reader:
        assert len(list(reader.dead_letters(lambda count, total: None))) == 4
    assert caplog.text.count("refused frames:3:17") == 3
    assert "refused frames:3:17: truncated: got 10 bytes" in caplog.text
