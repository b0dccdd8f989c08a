"""A message's looks become the stream's next state and the steps for its flags."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.decision import IncidentRule
from schemas.flags import Evidence
from schemas.frames import StreamMetadata
from workers.moderation.incidents import (
    Arrival,
    Policy,
    StreamState,
    bytes_from_state,
    fold,
    state_from_bytes,
    with_evidence,
)
from workers.review.records import Step

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(IncidentRule(3, 0.8, 0.4, 5.0, 4.0), "tiny", "1")


def arrival(offset: int, **changes) -> Arrival:
    made = Arrival(
        stream_id="cam-1",
        session_id="s1",
        sequence=offset,
        captured_at=START + timedelta(seconds=offset),
        metadata=StreamMetadata(viewers=offset),
        topic="frames",
        partition=2,
        offset=offset,
    )
    return replace(made, **changes)


def looks(*scores: float) -> tuple[tuple[float, float], ...]:
    return tuple((number / len(scores), score) for number, score in enumerate(scores))


def test_an_opening_makes_a_flag_that_says_where_it_came_from():
    _, (step,) = fold(StreamState(), arrival(7), looks(0.9, 0.9, 0.9), POLICY)
    assert step.step is Step.OPEN
    assert (step.flag.topic, step.flag.partition, step.flag.offset) == ("frames", 2, 7)
    assert step.flag.onset_at == START + timedelta(seconds=7)
    assert step.flag.metadata.viewers == 7


def test_the_same_message_always_gives_the_same_flag_id():
    _, (first,) = fold(StreamState(), arrival(7), looks(0.9, 0.9, 0.9), POLICY)
    _, (second,) = fold(StreamState(), arrival(7), looks(0.9, 0.9, 0.9), POLICY)
    assert first == second


def test_two_streams_never_share_a_flag_id():
    _, (first,) = fold(StreamState(), arrival(7), looks(0.9, 0.9, 0.9), POLICY)
    other = arrival(7, stream_id="cam-2")
    _, (second,) = fold(StreamState(), other, looks(0.9, 0.9, 0.9), POLICY)
    assert first.flag.flag_id != second.flag.flag_id


def test_several_looks_above_the_threshold_are_one_step():
    state, _ = fold(StreamState(), arrival(1), looks(0.9, 0.9, 0.9), POLICY)
    _, (step,) = fold(state, arrival(2), looks(0.9, 0.95, 0.9), POLICY)
    assert step.step is Step.EXTEND
    assert step.flag.looks == 6


def test_an_incident_that_opens_and_closes_in_one_message_is_an_opening_of_a_closed_flag():
    _, (step,) = fold(StreamState(), arrival(1), looks(0.9, 0.9, 0.9, 0.1, 0.1), POLICY)
    assert step.step is Step.OPEN
    assert step.flag.closed


def test_the_end_of_the_stream_closes_its_flag():
    state, _ = fold(StreamState(), arrival(1), looks(0.9, 0.9, 0.9), POLICY)
    state, (step,) = fold(state, arrival(2, ends_stream=True), (), POLICY)
    assert step.step is Step.CLOSE
    assert state.flag is None


def test_a_rise_within_the_cooldown_reopens_the_same_flag():
    state, (opened,) = fold(StreamState(), arrival(1), looks(0.9, 0.9, 0.9), POLICY)
    state, (closed,) = fold(state, arrival(2), looks(0.1, 0.1), POLICY)
    _, (again,) = fold(state, arrival(3), looks(0.9, 0.9), POLICY)
    assert closed.flag.closed
    assert not again.flag.closed
    assert again.flag.flag_id == opened.flag.flag_id


def test_the_flag_is_forgotten_when_its_cooldown_is_over():
    state, _ = fold(StreamState(), arrival(1), looks(0.9, 0.9, 0.9), POLICY)
    for offset in range(2, 9):
        state, _ = fold(state, arrival(offset), looks(0.1), POLICY)
    assert state.flag is None


def test_evidence_stays_with_the_flag_through_later_steps():
    state, (opened,) = fold(StreamState(), arrival(1), looks(0.9, 0.9, 0.9), POLICY)
    seen = opened.flag.model_copy(update={"evidence": Evidence(missing="disk full")})
    _, (later,) = fold(with_evidence(state, seen), arrival(2), looks(0.9), POLICY)
    assert later.flag.evidence.missing == "disk full"


@given(st.lists(st.lists(st.floats(0, 1), max_size=4), max_size=25), st.integers(0, 24))
def test_a_state_that_is_stored_and_read_again_changes_no_decision(messages, cut):
    through, handed = StreamState(), StreamState()
    for offset, scores in enumerate(messages):
        through, steps = fold(through, arrival(offset), looks(*scores), POLICY)
        if offset == cut:
            handed = state_from_bytes(bytes_from_state(handed))
        handed, same = fold(handed, arrival(offset), looks(*scores), POLICY)
        assert steps == same


def test_a_flag_shows_the_scores_of_the_window_that_opened_it_and_of_what_follows():
    state, (opened,) = fold(StreamState(), arrival(1), looks(0.5, 0.9, 0.9), POLICY)
    assert state.flag is None or opened.flag.scores == state.flag.scores
    assert [point.score for point in opened.flag.scores] == [0.5, 0.9, 0.9]
    assert opened.flag.scores[0].at == START + timedelta(seconds=1)
    _, (extended,) = fold(state, arrival(2), looks(0.95, 0.7), POLICY)
    assert [point.score for point in extended.flag.scores] == [0.5, 0.9, 0.9, 0.95, 0.7]


def test_scores_are_those_of_the_incident_alone():
    state, _ = fold(StreamState(), arrival(1), looks(0.9, 0.9, 0.9), POLICY)
    _, (closed,) = fold(state, arrival(2), looks(0.1, 0.1, 0.1), POLICY)
    assert closed.flag.closed
    assert [point.score for point in closed.flag.scores] == [0.9, 0.9, 0.9, 0.1]


@settings(deadline=None)
@given(st.lists(st.floats(0.5, 1), min_size=10, max_size=200), st.integers(1, 9))
def test_how_looks_are_cut_into_messages_does_not_change_the_scores(scores, cut):
    timed = looks(*scores)
    whole, _ = fold(StreamState(), arrival(1), timed, POLICY)
    first, _ = fold(StreamState(), arrival(1), timed[:cut], POLICY)
    second, _ = fold(first, arrival(2, captured_at=arrival(1).captured_at), timed[cut:], POLICY)
    traces = [state.flag.scores if state.flag else () for state in (whole, second)]
    assert traces[0] == traces[1]


def test_a_state_that_was_stored_before_flags_had_scores_goes_on():
    state, _ = fold(StreamState(), arrival(1), looks(0.9, 0.9, 0.9), POLICY)
    stored = json.loads(bytes_from_state(state))
    del stored["flag"]["scores"], stored["flag"]["audit"]
    _, (step,) = fold(state_from_bytes(json.dumps(stored).encode()), arrival(2), looks(0.9), POLICY)
    assert [point.score for point in step.flag.scores] == [0.9]
