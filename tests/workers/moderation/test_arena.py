"""The arena keeps held media intact and everything else until its room is needed."""

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.moderation.arena import Arena


@pytest.fixture
def arena():
    made = Arena(1000)
    yield made
    made.close()


def test_media_is_read_back_as_it_was_written(arena):
    span = arena.put(b"abc")
    assert arena.read(span) == b"abc"


def test_a_child_reads_the_same_bytes_through_the_descriptor(arena):
    span = arena.put(b"abc")
    with mmap.mmap(arena.fd, 1000, prot=mmap.PROT_READ) as seen:
        assert seen[span.start : span.start + span.length] == b"abc"


def test_held_media_is_never_overwritten(arena):
    span = arena.put(b"a" * 600)
    assert arena.put(b"b" * 600) is None
    assert arena.read(span) == b"a" * 600


def test_released_media_stays_readable_until_its_room_is_needed(arena):
    first = arena.put(b"a" * 600)
    arena.release(first)
    assert arena.read(first) == b"a" * 600
    arena.put(b"b" * 600)
    assert arena.read(first) is None


def test_media_can_be_held_again_while_it_is_there(arena):
    first = arena.put(b"a" * 600)
    arena.release(first)
    assert arena.hold(first)
    assert arena.put(b"b" * 600) is None
    arena.release(first)
    assert arena.put(b"b" * 600) is not None
    assert not arena.hold(first)


def test_held_bytes_count_each_medium_once(arena):
    span = arena.put(b"a" * 10)
    arena.hold(span)
    assert arena.held_bytes == 10
    arena.release(span)
    arena.release(span)
    assert arena.held_bytes == 0


def test_media_larger_than_the_arena_is_refused(arena):
    with pytest.raises(ValueError, match="room for 1000"):
        arena.put(b"a" * 1001)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.booleans(), st.integers(0, 5)), max_size=80),
)
def test_whatever_is_readable_is_what_was_written(steps):
    arena = Arena(1000)
    written, held = {}, []
    for number, (length, release, which) in enumerate(steps):
        data = bytes([number % 251]) * length
        span = arena.put(data)
        if span is not None:
            written[span] = data
            held.append(span)
        if release and held:
            arena.release(held.pop(which % len(held)))
        for span, data in written.items():
            assert arena.read(span) in (data, None)
        for span in held:
            assert arena.read(span) == written[span]
    arena.close()


def test_a_ring_whose_media_is_released_in_order_never_fills(arena):
    for _ in range(100):
        span = arena.put(b"x" * 300)
        assert span is not None
        arena.release(span)
