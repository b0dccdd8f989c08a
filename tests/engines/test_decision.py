"""The decision rule opens, extends, merges and closes incidents as its constants say."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engines.decision import (
    Change,
    DecisionState,
    Incident,
    IncidentRule,
    Look,
    Transition,
    end,
    observe,
)

RULE = IncidentRule(
    median_of=3, open_threshold=0.8, close_threshold=0.4, max_gap_s=5.0, cooldown_s=4.0
)


def run(
    scores: list[float], times: list[float] | None = None, rule: IncidentRule = RULE
) -> tuple[DecisionState, list[Transition]]:
    state = DecisionState()
    seen: list[Transition] = []
    times = times or [0.5 * i for i in range(len(scores))]
    for number, (at_s, score) in enumerate(zip(times, scores, strict=True)):
        state, changes = observe(state, Look(at_s, score), rule, f"look-{number}")
        seen += changes
    return state, seen


def changes_of(transitions: list[Transition]) -> list[Change]:
    return [transition.change for transition in transitions]


def test_fewer_looks_than_the_window_never_open_an_incident():
    assert run([1.0, 1.0])[1] == []


def test_one_bright_frame_among_calm_ones_opens_nothing():
    assert run([0.1, 0.1, 1.0, 0.1, 0.1])[1] == []


def test_the_median_reaching_the_open_threshold_opens_an_incident():
    state, seen = run([0.1, 0.8, 0.9])
    assert changes_of(seen) == [Change.OPENED]
    assert state.is_open
    assert seen[0].incident == Incident("look-2", 0.5, 1.0, 1.0, 3, 0.8, 0.8)


def test_between_the_thresholds_an_incident_stays_open():
    assert changes_of(run([0.9] * 3 + [0.5] * 3)[1]) == [Change.OPENED] + [Change.EXTENDED] * 3


def test_below_the_close_threshold_it_closes_at_its_last_look_above():
    _, seen = run([0.9] * 3 + [0.1, 0.1])
    assert changes_of(seen) == [Change.OPENED, Change.EXTENDED, Change.CLOSED]
    assert seen[-1].incident.last_s == 1.5


def test_a_rise_within_the_cooldown_continues_the_same_incident():
    _, seen = run([0.9] * 3 + [0.1] * 3 + [0.9] * 2)
    assert changes_of(seen)[-2:] == [Change.CLOSED, Change.EXTENDED]
    assert {transition.incident.key for transition in seen} == {"look-2"}


def test_a_rise_after_the_cooldown_opens_another_incident():
    _, seen = run([0.9] * 3 + [0.1] * 12 + [0.9] * 2)
    assert len({transition.incident.key for transition in seen}) == 2


def test_a_gap_closes_the_incident_and_empties_the_window():
    state, seen = run([0.9] * 4, times=[0.0, 0.5, 1.0, 9.0])
    assert changes_of(seen) == [Change.OPENED, Change.CLOSED]
    assert state.window == (Look(9.0, 0.9),)


def test_a_clock_that_steps_back_neither_closes_nor_shortens():
    _, seen = run([0.9] * 4, times=[10.0, 10.5, 11.0, 2.0])
    assert changes_of(seen) == [Change.OPENED, Change.EXTENDED]
    assert seen[-1].incident.last_s == 11.0


def test_the_end_of_the_stream_closes_and_forgets():
    state, _ = run([0.9] * 3)
    state, seen = end(state)
    assert changes_of(list(seen)) == [Change.CLOSED]
    assert state == DecisionState()


@pytest.mark.parametrize(
    ("median_of", "open_at", "close_at"), [(0, 0.8, 0.4), (3, 0.4, 0.8), (3, 1.0, 0.5)]
)
def test_constants_that_contradict_each_other_are_refused(median_of, open_at, close_at):
    with pytest.raises(ValueError, match="got"):
        IncidentRule(median_of, open_at, close_at, 5.0, 4.0)


@given(st.lists(st.floats(0, 1), max_size=60), st.integers(1, 7))
def test_an_incident_is_open_exactly_while_the_windows_median_says_so(scores, median_of):
    rule = IncidentRule(median_of, 0.7, 0.3, 5.0, 2.0)
    state, is_open = DecisionState(), False
    for number, score in enumerate(scores):
        state, _ = observe(state, Look(number * 0.5, score), rule, str(number))
        window = scores[max(0, number + 1 - median_of) : number + 1]
        median = statistics.median(window)
        may_open = len(window) == median_of and median >= 0.7
        is_open = median >= 0.3 if is_open else may_open
        assert state.is_open == is_open


@given(st.lists(st.tuples(st.floats(0, 12), st.floats(0, 1)), max_size=40))
def test_every_incident_opens_once_and_changes_only_while_it_lives(steps):
    times, now = [], 0.0
    for wait, _ in steps:
        now += wait
        times.append(now)
    _, seen = run([score for _, score in steps], times)
    opened: set[str] = set()
    for transition in seen:
        if transition.change is Change.OPENED:
            assert transition.incident.key not in opened
            opened.add(transition.incident.key)
        assert transition.incident.key in opened
