"""Schemas and examples are printed as JSON, and an example can be sent."""

from __future__ import annotations

import shlex
from pathlib import Path
from uuid import uuid4

import pytest

from schemas.examples import frame_message
from schemas.frames import ContentType, frame_message_from_record
from schemas.published import PUBLISHED, json_schema
from tests.servers import create_topics
from tests.workers.operations.commands import run
from tests.workers.test_frames_topic import records
from workers.errors import ConfigurationRejected

PRODUCERS = Path(__file__).parents[3] / "schemas" / "PRODUCERS.md"


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_schema_is_printed_as_it_was_published(name: str):
    assert run("schema", name).document() == json_schema(name)


def test_the_example_of_a_frame_message_shows_a_command_that_sends_the_same():
    shown = run("schema", "frames", "--example").document()
    words = shlex.split(shown["command"])
    headers = [words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "-H"]
    sent = [(name, text.encode()) for name, text in headers]
    assert frame_message_from_record(sent, frame_message().data) == frame_message()
    assert words[words.index("-k") + 1] == frame_message().stream_id


def test_the_page_for_producers_holds_that_command():
    assert run("schema", "frames", "--example").document()["command"] in PRODUCERS.read_text()


def test_a_file_is_sent_as_one_message(broker, tmp_path: Path):
    topic = f"frames-{uuid4().hex[:8]}"
    create_topics(broker.address, 1, topic)
    file = tmp_path / "piece.JPG"
    file.write_bytes(b"a picture")
    environment = {
        "FLAGPOST_KAFKA_BOOTSTRAP": broker.address,
        "FLAGPOST_KAFKA_FRAMES_TOPIC": topic,
    }
    run("schema", "--send", str(file), "--stream", "s1", **environment)
    (sent,) = records(broker.address, topic, 1)
    message = frame_message_from_record(sent.headers, sent.value)
    assert (message.stream_id, message.sequence) == ("s1", 0)
    assert (message.content_type, message.data) == (ContentType.JPEG, b"a picture")


def test_a_file_of_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path):
    file = tmp_path / "piece.doc"
    file.write_bytes(b"text")
    with pytest.raises(ConfigurationRejected, match=r"'\.doc', expected one of \.ts"):
        run("schema", "--send", str(file))


def test_only_frame_messages_can_be_sent():
    assert run("schema", "flag", "--send", __file__).code == 2
