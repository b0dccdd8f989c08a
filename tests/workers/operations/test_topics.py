"""Topics are created with limits that fit, raised where they are too low, and never lowered."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.servers import create_topics
from tests.workers.operations.commands import Answer, run
from workers.brokers import TansuBroker
from workers.errors import ConfigurationRejected
from workers.operations.cluster import Cluster, TopicState
from workers.settings import KafkaSettings


class Operator:
    """Runs `flagpost topics` for topics of its own."""

    def __init__(self, address: str) -> None:
        name = uuid4().hex[:8]
        self.address = address
        self.frames, self.dead_letters = f"frames-{name}", f"dead-{name}"
        self.environment = {
            "FLAGPOST_KAFKA_BOOTSTRAP": address,
            "FLAGPOST_KAFKA_FRAMES_TOPIC": self.frames,
            "FLAGPOST_KAFKA_DEAD_LETTERS_TOPIC": self.dead_letters,
            "FLAGPOST_KAFKA_TRUTH_TOPIC": f"truth-{name}",
        }

    def topics(self, *arguments: str) -> Answer:
        return run("topics", *arguments, "--json", **self.environment)

    def state(self, name: str) -> TopicState:
        with Cluster(KafkaSettings(bootstrap=self.address)) as cluster:
            found = cluster.topic(name)
        assert found is not None
        return found


@pytest.fixture
def operator(broker) -> Operator:
    return Operator(broker.address)


def test_missing_topics_are_wrong_and_named_with_the_command(operator: Operator):
    answer = operator.topics("check")
    assert answer.code == 1
    assert [line["fact"] for line in answer.lines()] == ["missing", "missing"]
    assert {line["mend"] for line in answer.lines()} == {"flagpost topics create"}


def test_created_topics_fit_segments_and_pass_the_check(operator: Operator):
    assert operator.topics("create", "--partitions", "5").code == 0
    state = operator.state(operator.frames)
    assert (state.partitions, state.replicas) == (5, 1)
    assert (state.max_message_bytes, state.retention_ms) == (8 << 20, 12 * 3_600_000)
    assert operator.topics("check").code == 0


def test_creating_again_changes_nothing(operator: Operator):
    operator.topics("create", "--partitions", "2")
    before = operator.state(operator.frames)
    (frames, _) = operator.topics("create", "--partitions", "2", "--retention-hours", "1").lines()
    assert frames["fact"].startswith("as it was")
    assert operator.state(operator.frames) == before


def test_limits_that_are_too_low_are_found_and_raised_and_others_kept(operator: Operator):
    configs = {"max.message.bytes": "1000000", "retention.ms": "-1", "segment.bytes": "20000000"}
    create_topics(operator.address, 1, operator.frames, operator.dead_letters, **configs)
    answer = operator.topics("check")
    assert answer.code == 1
    assert "max.message.bytes is 1000000, expected at least 8388608" in answer.text
    operator.topics("create", "--partitions", "1")
    state = operator.state(operator.frames)
    assert (state.max_message_bytes, state.retention_ms) == (8 << 20, -1)
    assert operator.topics("check").code == 0


def test_frames_kept_for_longer_than_stream_states_get_a_note(operator: Operator):
    configs = {"max.message.bytes": str(8 << 20), "retention.ms": str(168 * 3_600_000)}
    create_topics(operator.address, 1, operator.frames, **configs)
    create_topics(operator.address, 1, operator.dead_letters, **configs)
    (note,) = [line for line in operator.topics("check").lines() if line["standing"] == "note"]
    assert note["subject"] == f"topic {operator.frames}"
    assert "stream states for 24 h" in note["fact"]
    assert "retention.ms=43200000" in note["mend"]


def test_partitions_are_added_only_when_asked(operator: Operator, broker):
    operator.topics("create", "--partitions", "2")
    (frames, _) = operator.topics("create", "--partitions", "4").lines()
    assert (frames["standing"], frames["mend"]) == ("note", "flagpost topics create --grow")
    assert operator.state(operator.frames).partitions == 2
    if isinstance(broker, TansuBroker):
        with pytest.raises(ConfigurationRejected, match="this broker cannot do that"):
            operator.topics("create", "--partitions", "4", "--grow")
    else:
        operator.topics("create", "--partitions", "4", "--grow")
        assert operator.state(operator.frames).partitions == 4


def test_the_truth_topic_is_made_only_for_simulated_streams(operator: Operator):
    assert len(operator.topics("create").lines()) == 2
    assert len(operator.topics("create", "--truth").lines()) == 3


def test_who_produces_to_a_missing_topic_is_told_at_once(operator: Operator, tmp_path):
    clip = tmp_path / "clip.ts"
    clip.touch()
    for command in (["ingest", str(clip)], ["simulate", "--pool", str(tmp_path)]):
        with pytest.raises(ConfigurationRejected, match=f"topic {operator.frames}: missing"):
            run(*command, **operator.environment)


def test_people_get_a_table(operator: Operator):
    answer = run("topics", "check", **operator.environment)
    assert operator.frames in answer.text
    assert "what mends it" in answer.text
