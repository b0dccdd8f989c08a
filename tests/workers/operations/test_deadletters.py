"""People can see what was refused and why, and send it again once that is mended."""

from __future__ import annotations

from uuid import uuid4

import click
import pytest

from schemas.examples import frame_message
from schemas.frames import FrameMessage, Header, frame_message_from_record
from tests.servers import create_topics, kafka_settings
from tests.workers.operations.commands import Answer, run
from tests.workers.test_frames_topic import records
from workers.errors import ConfigurationRejected
from workers.frames_topic import FramePublisher
from workers.moderation.deadletters import DeadLetterPublisher
from workers.moderation.lanes import Refusal
from workers.moderation.source import Record
from workers.moderation.watermark import Partition
from workers.settings import MIB

CRASHED = Refusal("decoder-crashed", "the decoder ended by SIGSEGV")
BROKEN = Refusal("contract", "ce_time: got '12:00', expected a time")


class Desk:
    """Topics of its own, dead letters written as a worker writes them, and the commands."""

    def __init__(self, address: str) -> None:
        name = uuid4().hex[:8]
        self.address = address
        self.frames, self.dead_letters = f"frames-{name}", f"dead-{name}"
        create_topics(address, 1, self.frames, self.dead_letters)
        self.settings = kafka_settings(
            address,
            frames_topic=self.frames,
            dead_letters_topic=self.dead_letters,
            max_message_bytes=MIB,
        )
        self._publisher = DeadLetterPublisher(self.settings)
        self._offset = 0

    def refuse(
        self,
        refusal: Refusal,
        message: FrameMessage | None = None,
        headers: list[Header] | None = None,
        **extra: bytes,
    ) -> None:
        message = message or frame_message()
        sent = [*(headers or message.headers()), *extra.items()]
        place = Partition(self.frames, 0)
        key = message.stream_id.encode()
        record = Record(place, self._offset, 0, key, tuple(sent), message.data, 1)
        self._offset += 1
        self._publisher.publish(record, message.data, refusal)
        self._publisher.flush()

    def run(self, *arguments: str) -> Answer:
        environment = {
            "FLAGPOST_KAFKA_BOOTSTRAP": self.address,
            "FLAGPOST_KAFKA_FRAMES_TOPIC": self.frames,
            "FLAGPOST_KAFKA_DEAD_LETTERS_TOPIC": self.dead_letters,
            "FLAGPOST_KAFKA_MAX_MESSAGE_BYTES": str(MIB),
        }
        return run("deadletters", *arguments, **environment)

    def close(self) -> None:
        self._publisher.close()


@pytest.fixture
def desk(broker):
    made = Desk(broker.address)
    yield made
    made.close()


def broken_headers() -> list[Header]:
    return [
        (name, b"12:00" if name == "ce_time" else text) for name, text in frame_message().headers()
    ]


def test_an_empty_topic_lists_nothing(desk: Desk):
    assert "0 dead letters" in desk.run("list").text
    assert desk.run("list", "--json").text == ""


def test_dead_letters_are_listed_with_their_reasons_and_counted(desk: Desk):
    desk.refuse(CRASHED)
    desk.refuse(BROKEN, headers=broken_headers())
    desk.refuse(CRASHED)
    found = desk.run("list", "--json").lines()
    assert [line["place"] for line in found] == ["0:0", "0:1", "0:2"]
    assert found[1]["detail"] == BROKEN.detail
    assert found[1]["source"] == f"{desk.frames}:0:1"
    assert "3 dead letters: 2 decoder-crashed, 1 contract" in desk.run("list").text


def test_a_list_can_be_narrowed(desk: Desk):
    desk.refuse(CRASHED)
    desk.refuse(BROKEN, frame_message().model_copy(update={"stream_id": "other"}))
    assert [
        line["reason"] for line in desk.run("list", "--reason", "contract", "--json").lines()
    ] == ["contract"]
    assert [line["stream"] for line in desk.run("list", "--stream", "other", "--json").lines()] == [
        "other"
    ]
    assert [line["place"] for line in desk.run("list", "--limit", "1", "--json").lines()] == ["0:1"]


def test_one_is_shown_with_the_header_what_it_held_and_what_was_expected(desk: Desk, tmp_path):
    desk.refuse(BROKEN, headers=broken_headers())
    file = tmp_path / "piece.ts"
    shown = desk.run("show", "0:0", "--save", str(file)).document()
    assert shown["broken"]["field"] == "ce_time"
    assert shown["broken"]["got"] == "'12:00'"
    assert "datetime" in shown["broken"]["expected"]
    assert shown["headers"]["ce_streamid"] == frame_message().stream_id
    assert file.read_bytes() == frame_message().data


def test_a_place_without_a_dead_letter_is_refused(desk: Desk):
    with pytest.raises(ConfigurationRejected, match="dead letter 0:5: none"):
        desk.run("show", "0:5")


def test_a_missing_topic_names_the_command_that_makes_it(broker):
    environment = {
        "FLAGPOST_KAFKA_BOOTSTRAP": broker.address,
        "FLAGPOST_KAFKA_DEAD_LETTERS_TOPIC": "nowhere",
    }
    if "tansu" in broker.name:
        pytest.skip("Tansu makes topics by itself")
    with pytest.raises(ConfigurationRejected, match="flagpost topics create"):
        run("deadletters", "list", **environment)


def test_a_replay_goes_to_a_stream_of_its_own_with_the_media_unchanged(desk: Desk):
    desk.refuse(CRASHED)
    answer = desk.run("replay", "--reason", "decoder-crashed", "--json")
    assert answer.document() == {"sent": 1, "breaking": {}, "tired": 0, "gone": 0}
    (sent,) = records(desk.address, desk.frames, 1)
    message = frame_message_from_record(sent.headers, sent.value)
    original = frame_message()
    assert sent.key.decode() == message.stream_id == f"{original.stream_id}~replay"
    assert message.session_id == f"{original.session_id}~1"
    assert (message.data, message.captured_at) == (original.data, original.captured_at)
    assert ("dl_attempt", b"1") in sent.headers


def test_a_second_replay_has_a_session_of_its_own_on_the_same_stream(desk: Desk):
    again = frame_message().model_copy(update={"stream_id": "s1~replay", "session_id": "a~1"})
    desk.refuse(CRASHED, again, dl_attempt=b"1")
    desk.run("replay", "0:0")
    (sent,) = records(desk.address, desk.frames, 1)
    message = frame_message_from_record(sent.headers, sent.value)
    assert (message.stream_id, message.session_id) == ("s1~replay", "a~1~2")


def test_a_dry_run_sends_nothing(desk: Desk):
    desk.refuse(CRASHED)
    assert "1 would be sent" in desk.run("replay", "0:0", "--dry-run").text
    desk.run("replay", "0:0")
    assert len(records(desk.address, desk.frames, 1)) == 1


def test_what_still_breaks_the_contract_or_came_back_too_often_is_left_out(desk: Desk):
    desk.refuse(BROKEN, headers=broken_headers())
    desk.refuse(CRASHED, dl_attempt=b"2")
    answer = desk.run("replay", "0:0", "0:1", "--json")
    assert answer.code == 1
    found = answer.document()
    assert (found["sent"], found["tired"]) == (0, 1)
    assert found["breaking"]["0:0"].startswith("ce_time: got '12:00'")


def test_media_that_was_too_large_to_keep_is_fetched_from_its_source(desk: Desk):
    large = frame_message().model_copy(update={"data": b"x" * (MIB - 40_000)})
    publisher = FramePublisher(desk.settings, desk.frames)
    publisher.publish(large)
    publisher.flush()
    publisher.close()
    desk.refuse(CRASHED, large)
    assert not desk.run("list", "--json").lines()[0]["has_media"]
    desk.run("replay", "0:0")
    (_, sent) = records(desk.address, desk.frames, 2)
    assert sent.value == large.data


def test_media_that_is_not_at_its_source_any_more_is_counted(desk: Desk):
    large = frame_message().model_copy(update={"data": b"x" * (MIB - 40_000)})
    desk.refuse(CRASHED, large)
    assert desk.run("replay", "0:0", "--json").document()["gone"] == 1


def test_a_replay_of_everything_must_be_asked_for_by_reason(desk: Desk):
    result = desk.run("replay")
    assert result.code == click.UsageError.exit_code
