"""Sends dead letters through the worker again, on a stream of their own.

A live stream has gone on since: its window of scores and its sequence numbers must not see an old
piece, so a replayed message belongs to `STREAM~replay`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from schemas.frames import MAX_ID_LENGTH, Header
from workers.frames_topic import FramePublisher
from workers.moderation.deadletters import ATTEMPT
from workers.operations.set_aside import DeadLetter, TopicReader

SUFFIX: Final = "~replay"


@dataclass(slots=True)
class Replayed:
    """What became of dead letters that were chosen.

    Attributes:
        sent: Messages published again.
        breaking: Left out: they break the contract of today too; place and rule.
        tired: Left out: they came back too often.
        gone: Left out: their media was too large to keep and is not at its source any more.
    """

    sent: int = 0
    breaking: dict[str, str] = field(default_factory=dict)
    tired: int = 0
    gone: int = 0


def replay(
    letters: Iterable[DeadLetter],
    reader: TopicReader,
    publisher: FramePublisher | None,
    most_attempts: int,
) -> Replayed:
    """Publishes dead letters again; with `publisher` None, only counts.

    Raises:
        BrokerUnavailable: The broker stopped answering; what was sent may be sent again.
    """
    result = Replayed()
    for letter in letters:
        if letter.attempt >= most_attempts:
            result.tired += 1
            continue
        rule = letter.broken_rule()
        if rule is not None:
            result.breaking[letter.place] = str(rule)
            continue
        value = _media(letter, reader)
        if value is None:
            result.gone += 1
            continue
        if publisher is not None:
            headers = replay_headers(letter)
            key = next(text for name, text in headers if name.lower() == "ce_streamid")
            publisher.publish_record(key.decode(), value, headers)
        result.sent += 1
    if publisher is not None:
        publisher.flush()
    return result


def replay_headers(letter: DeadLetter) -> list[Header]:
    """The original headers, moved to the replay's own stream and session."""
    headers: list[Header] = []
    for name, text in letter.original_headers():
        if name.lower() == "ce_streamid":
            text = _named(text.removesuffix(SUFFIX.encode()), SUFFIX)
        elif name.lower() == "ce_sessionid":
            text = _named(text, f"~{letter.attempt}")
        headers.append((name, text))
    return [*headers, (ATTEMPT, str(letter.attempt).encode())]


def _named(text: bytes, suffix: str) -> bytes:
    return text[: MAX_ID_LENGTH - len(suffix)] + suffix.encode()


def _media(letter: DeadLetter, reader: TopicReader) -> bytes | None:
    if letter.has_media:
        return letter.value
    record = reader.record_at(letter.topic, letter.partition, letter.offset)
    return None if record is None else record.value
