from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from schemas.frames import ContentType, EventType
from schemas.truth import AmbiguousSpan, TrueIncident
from tests.workers.simulate.films import SIZE, add_take, incident
from workers.simulate.channel import Channel, takes_from
from workers.simulate.reels import Reel, reel_from_take

STARTED = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def channel(tmp_path):
    """Plays one take of three seconds again and again: violent from 1.2 s to 1.6 s of each."""
    take = add_take(tmp_path, "take", 3.0, (incident(1.2, 1.6),), ((1.0, 1.2), (1.6, 2.8)))
    reel = reel_from_take(tmp_path, take)
    return Channel("sim-1", STARTED, lambda: reel)


def play(channel, seconds):
    """Messages and truths of some seconds of the stream, each with the position it was told at."""
    messages, told = [], []
    while channel.position_s < seconds:
        messages.append(channel.next_message())
        told += [(channel.position_s, truth) for truth in channel.truth_so_far()]
    return messages, told


def starts_s(told, kind):
    return [
        (truth.starts_at - STARTED).total_seconds() for _, truth in told if isinstance(truth, kind)
    ]


def test_truth_moves_with_its_take_on_the_stream_s_clock(channel):
    _, told = play(channel, 9)
    assert starts_s(told, TrueIncident) == pytest.approx([1.2, 4.2, 7.2])
    assert starts_s(told, AmbiguousSpan) == pytest.approx([1.0, 1.6, 4.0, 4.6, 7.0, 7.6])


def test_truth_keeps_what_happened_in_the_incident(channel):
    _, told = play(channel, 3)
    (one,) = [truth for _, truth in told if isinstance(truth, TrueIncident)]
    assert (one.kills, one.damage_dealt, one.damage_taken) == (1, 20, 5)
    assert one.ends_at - one.starts_at == timedelta(seconds=0.4)
    assert (one.stream_id, one.session_id) == (channel.stream_id, channel.session_id)


def test_truth_is_told_once_and_only_when_its_end_has_been_played(channel):
    _, told = play(channel, 9)
    for position_s, truth in told:
        assert truth.ends_at <= STARTED + timedelta(seconds=position_s)
    assert len(told) == len({(type(truth), truth.starts_at) for _, truth in told}) == 9


def test_messages_follow_each_other_without_a_gap(channel):
    messages, _ = play(channel, 9)
    assert [message.sequence for message in messages] == list(range(len(messages)))
    assert {message.content_type for message in messages} == {ContentType.MPEG_TS}
    assert messages[0].captured_at == STARTED
    for before, after in pairwise(messages):
        gap = after.captured_at - before.captured_at - before.duration
        assert abs(gap) < timedelta(milliseconds=1)


def test_the_end_closes_the_stream_and_cuts_an_incident_that_still_goes_on(tmp_path):
    take = add_take(tmp_path, "take", 3.0, (incident(0.5, 2.5),))
    reel = reel_from_take(tmp_path, take)
    channel = Channel("sim-1", STARTED, lambda: reel)
    messages, told = play(channel, 1)
    assert told == []
    (cut,), closing = channel.end()
    assert cut.ends_at == STARTED + timedelta(seconds=1)
    assert closing.event_type is EventType.END_OF_STREAM
    assert closing.sequence == len(messages)
    assert closing.captured_at == cut.ends_at


def test_what_has_not_begun_is_not_told_at_the_end(channel):
    channel.next_message()
    assert channel.end()[0] == []


def reels(tmp_path, count, size=SIZE):
    return [Reel(tmp_path / f"{size[0]}-{number}.ts", 3.0, size) for number in range(count)]


def test_the_same_seed_draws_the_same_takes(tmp_path):
    there = reels(tmp_path, 30)
    first, second = takes_from(lambda: there, 5), takes_from(lambda: there, 5)
    assert [first() for _ in range(40)] == [second() for _ in range(40)]


def test_different_seeds_draw_different_takes(tmp_path):
    there = reels(tmp_path, 30)
    first, second = takes_from(lambda: there, 5), takes_from(lambda: there, 6)
    assert [first() for _ in range(10)] != [second() for _ in range(10)]


def test_no_take_comes_again_while_others_were_not_seen(tmp_path):
    there = reels(tmp_path, 8)
    draw = takes_from(lambda: there, 1)
    assert len({draw() for _ in range(8)}) == 8


def test_a_stream_never_changes_its_size(tmp_path):
    there = reels(tmp_path, 5) + reels(tmp_path, 5, (320, 192))
    draw = takes_from(lambda: there, 1)
    assert len({draw().size for _ in range(40)}) == 1


def test_takes_that_are_added_meanwhile_are_drawn(tmp_path):
    there = reels(tmp_path, 1)
    draw = takes_from(lambda: there, 1)
    first = draw()
    there += reels(tmp_path, 2)[1:]
    assert draw() != first
