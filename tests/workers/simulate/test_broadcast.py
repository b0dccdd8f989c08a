import json
import threading
from collections import defaultdict
from datetime import UTC, datetime

import pytest

from schemas.frames import EventType
from schemas.truth import AmbiguousSpan, TrueIncident
from tests.workers.simulate.films import add_take, incident
from workers.errors import Fatal
from workers.simulate.broadcast import Broadcast
from workers.simulate.channel import Channel
from workers.simulate.reels import reel_from_take
from workers.simulate.truth import Rule
from workers.simulate.truth_log import TruthLog


class MemoryTopic:
    """Keeps what was published."""

    def __init__(self):
        self.messages = []
        self.records = []

    def publish(self, message):
        self.messages.append(message)

    def publish_record(self, key, value):
        self.records.append((key, value))


def truth_from_line(line: str) -> TrueIncident | AmbiguousSpan:
    if json.loads(line)["schema_version"] == "flagpost.truth/1":
        return TrueIncident.model_validate_json(line)
    return AmbiguousSpan.model_validate_json(line)


@pytest.fixture
def channels(tmp_path):
    take = add_take(tmp_path, "take", 3.0, (incident(1.2, 1.6),), ((1.6, 2.8),))
    reel = reel_from_take(tmp_path, take)
    return [Channel(f"sim-{n}", datetime.now(UTC), lambda: reel) for n in range(3)]


def test_every_stream_is_played_for_its_time_and_then_ended(channels):
    topic = MemoryTopic()
    with TruthLog(None, None) as truth:
        tally = Broadcast(channels, topic, truth, fast=True).run(threading.Event(), 6.0)
    by_stream = defaultdict(list)
    for message in topic.messages:
        by_stream[message.stream_id].append(message)
    assert sorted(by_stream) == ["sim-0", "sim-1", "sim-2"]
    for messages in by_stream.values():
        assert [one.event_type for one in messages] == [
            *[EventType.FRAMES] * (len(messages) - 1),
            EventType.END_OF_STREAM,
        ]
        assert sum(one.duration.total_seconds() for one in messages) == pytest.approx(6.0)
    assert tally.segments == len(topic.messages) - 3
    assert (tally.incidents, tally.ambiguous) == (6, 6)


def test_in_real_time_a_segment_is_not_sent_before_it_was_captured(channels):
    sent = []

    class Clocked(MemoryTopic):
        def publish(self, message):
            sent.append((datetime.now(UTC), message))

    with TruthLog(None, None) as truth:
        Broadcast(channels[:1], Clocked(), truth).run(threading.Event(), 1.0)
    segments = [pair for pair in sent if pair[1].event_type is EventType.FRAMES]
    assert segments
    assert all(now >= one.captured_at + one.duration for now, one in segments)


def test_who_asks_to_stop_gets_the_streams_ended(channels):
    topic, stopping = MemoryTopic(), threading.Event()
    stopping.set()
    with TruthLog(None, None) as truth:
        tally = Broadcast(channels, topic, truth).run(stopping)
    assert tally.segments == 0
    assert [one.event_type for one in topic.messages] == [EventType.END_OF_STREAM] * 3


def test_truth_goes_to_the_topic_and_to_a_file_that_states_the_rule(channels, tmp_path):
    topic, path = MemoryTopic(), tmp_path / "truth.jsonl"
    with TruthLog(path, topic) as truth:
        Broadcast(channels, topic, truth, fast=True).run(threading.Event(), 3.0)
    header, *lines = path.read_text().splitlines()
    assert Rule.model_validate(json.loads(header)["rule"]) == Rule()
    assert [value.decode() for _, value in topic.records] == lines
    truths = [truth_from_line(line) for line in lines]
    assert [key for key, _ in topic.records] == [truth.stream_id for truth in truths]
    assert sum(isinstance(truth, TrueIncident) for truth in truths) == 3


def test_a_truth_file_that_cannot_be_written_stops_the_start(tmp_path):
    with pytest.raises(Fatal, match=r"--truth .*missing"):
        TruthLog(tmp_path / "missing" / "truth.jsonl", None)
