"""Lanes of a partition that moved are read anew once what was in work is stored."""

import pytest

from workers.moderation.lanes import Entry, Lane, Lanes
from workers.moderation.source import Record
from workers.moderation.watermark import Partition
from workers.review.records import StreamRecord

NOTHING: frozenset[str] = frozenset()
MOVED, KEPT = Partition("frames", 0), Partition("frames", 1)


@pytest.fixture
def lanes() -> Lanes:
    return Lanes()


def lane(lanes: Lanes, stream_id: str, partition: Partition) -> Lane:
    made = lanes.add(stream_id, StreamRecord(None, {}))
    made.partition = partition
    return made


def in_work() -> Entry:
    return Entry(1, Record(MOVED, 0, 0, b"s", (), None, 1), None)


def test_a_stream_at_rest_is_forgotten_when_its_partition_moves(lanes):
    lane(lanes, "s", MOVED)
    lane(lanes, "other", KEPT)
    lanes.hand_over(frozenset({MOVED}), NOTHING)
    assert "s" not in lanes
    assert "other" in lanes
    assert not lanes.leaving


def test_messages_wait_until_what_was_in_work_is_done(lanes):
    working = lane(lanes, "s", MOVED)
    working.entries.append(in_work())
    lanes.hand_over(frozenset({MOVED}), NOTHING)
    assert lanes.leaving == {MOVED}
    working.entries.clear()
    lanes.forget_left(NOTHING)
    assert "s" not in lanes
    assert not lanes.leaving


def test_messages_wait_until_redis_holds_the_newest_state(lanes):
    lane(lanes, "s", MOVED)
    lanes.hand_over(frozenset({MOVED}), frozenset({"s"}))
    assert lanes.leaving == {MOVED}
    lanes.forget_left(NOTHING)
    assert not lanes.leaving


def test_messages_wait_for_a_flag_whose_evidence_is_gathered(lanes):
    lane(lanes, "s", MOVED).busy = True
    lanes.hand_over(frozenset({MOVED}), NOTHING)
    lanes.forget_left(NOTHING)
    assert lanes.leaving == {MOVED}


def test_what_is_done_behind_a_message_that_is_given_up_goes_with_it(lanes):
    stream = lane(lanes, "s", MOVED)
    first, given_up, done = in_work(), in_work(), in_work()
    done.finish({})
    stream.entries.extend((first, given_up, done))
    assert stream.give_up(given_up) == [given_up, done]
    assert list(stream.entries) == [first]
