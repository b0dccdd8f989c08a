"""A score trace stays short, keeps its peaks, and covers the whole incident evenly."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from engines.decision import Look
from schemas.flags import SCORES_KEPT, ScorePoint
from workers.moderation.score_trace import traced


def trace_of(scores, every_s: float = 0.5):
    trace: tuple[ScorePoint, ...] = ()
    for number, score in enumerate(scores):
        trace = traced(trace, [Look(1e9 + number * every_s, score)])
    return trace


def test_a_short_incident_shows_every_look():
    assert [point.score for point in trace_of([0.8, 0.9, 0.7])] == [0.8, 0.9, 0.7]


def test_an_hour_is_as_evenly_spread_as_a_minute():
    trace = trace_of([0.9] * 7200)
    gaps = [(b.at - a.at).total_seconds() for a, b in pairwise(trace)]
    assert len(trace) > 40
    assert max(gaps) <= 3600 / 20


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=400), st.sampled_from([0.0, 0.1, 0.5, 3.0]))
def test_a_trace_is_short_in_order_and_keeps_first_look_and_peak(scores, every_s):
    trace = trace_of(scores, every_s)
    assert len(trace) <= SCORES_KEPT
    assert [point.at for point in trace] == sorted(point.at for point in trace)
    assert trace[0].score == round(scores[0], 4)
    assert max(point.score for point in trace) == round(max(scores), 4)
