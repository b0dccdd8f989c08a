"""Batches close by size or by the oldest frame's age, and no stream fills one."""

from hypothesis import given
from hypothesis import strategies as st

from workers.moderation.batching import Batcher, Waiting


def filled(*streams: str) -> Batcher:
    batcher = Batcher(size=4, deadline_s=0.02, per_stream=2)
    for number, stream_id in enumerate(streams):
        batcher.add(Waiting(stream_id, number, since_s=10.0 + number / 1000))
    return batcher


def test_nothing_is_due_while_nothing_waits():
    assert filled().due_in(99.0) is None


def test_a_full_batch_is_due_at_once():
    assert filled("a", "b", "c", "d").due_in(10.0) == 0.0


def test_a_partial_batch_is_due_when_its_oldest_frame_is_old_enough():
    due_s = filled("a", "b").due_in(10.005)
    assert due_s is not None
    assert round(due_s, 6) == 0.015
    assert filled("a", "b").due_in(10.02) == 0.0


def test_no_stream_takes_more_than_its_share_of_a_batch():
    batch = filled("a", "a", "a", "b").take()
    assert [frame.stream_id for frame in batch] == ["a", "a", "b"]


def test_frames_beyond_the_share_come_next_and_in_order():
    batcher = filled("a", "a", "a", "b", "a")
    batcher.take()
    assert [frame.row for frame in batcher.take()] == [2, 4]


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_every_frame_comes_out_once_and_each_stream_in_order(streams):
    batcher, out = filled(*streams), []
    while len(batcher):
        out += batcher.take()
    assert sorted(frame.row for frame in out) == list(range(len(streams)))
    for name in "abc":
        rows = [frame.row for frame in out if frame.stream_id == name]
        assert rows == sorted(rows)
