from __future__ import annotations

import numpy as np
import pytest

from engines.decision import IncidentRule
from schemas.bundles import OperatingPoint
from training.operating_point import ScoredTake, candidates, chosen, judged, outcome, rule_of

RULE = IncidentRule(3, 0.6, 0.4, 5.0, 3.0)


def scored(high, incidents=(), ambiguous=(), length=60.0, name="t"):
    """Two looks a second: 0.9 inside the spans of `high`, else 0.1."""
    times = np.arange(0, length, 0.5)
    scores = np.full(times.shape, 0.1)
    for start, end in high:
        scores[(times >= start) & (times <= end)] = 0.9
    return ScoredTake(name, times, scores, tuple(incidents), tuple(ambiguous), length)


def test_a_seen_incident_counts_with_the_delay_of_the_median_window():
    result = judged(scored([(10, 14)], [(10.0, 14.0)]), RULE)

    assert (result.incidents, result.flagged, result.false) == (1, 1, 0)
    assert result.delays_s == (0.5,)


def test_an_incident_that_no_flag_touches_is_missed_and_the_flag_elsewhere_is_false():
    result = judged(scored([(30, 34)], [(10.0, 14.0)]), RULE)

    assert (result.flagged, result.false) == (0, 1)


def test_one_high_look_alone_opens_nothing():
    assert judged(scored([(10, 10.4)]), RULE).false == 0


def test_a_flag_in_ambiguous_time_is_neither_found_nor_false():
    result = judged(scored([(10, 14)], ambiguous=[(9.0, 15.0)]), RULE)

    assert (result.flagged, result.false) == (0, 0)


def test_a_flag_just_after_a_short_incident_finds_it_within_the_grace():
    result = judged(scored([(11, 14)], [(10.0, 10.5)]), RULE)

    assert (result.flagged, result.false) == (1, 0)
    assert result.delays_s == (1.5,)


def test_an_incident_under_an_open_flag_is_found_without_delay():
    result = judged(scored([(10, 30)], [(10.0, 12.0), (20.0, 22.0)]), RULE)

    assert result.flagged == 2
    assert result.delays_s[1] == 0.0


def test_flicker_within_the_cooldown_is_one_false_flag():
    result = judged(scored([(10, 14), (17, 20)]), RULE)

    assert result.false == 1


def test_false_incidents_are_counted_per_hour_of_stream():
    result = outcome([scored([(10, 14)], length=1800.0), scored([], length=1800.0)], RULE)

    assert result.false_per_hour == pytest.approx(1.0)


def test_the_chosen_point_has_the_highest_recall_within_the_budget():
    times = np.arange(0, 600, 0.5)
    scores = np.full(times.shape, 0.02)
    scores[(times >= 100) & (times < 110)] = 0.9
    scores[(times >= 200) & (times < 210)] = 0.5
    scores[(times >= 300) & (times < 310)] = 0.3  # calm, but it looks bad
    take = ScoredTake("t", times, scores, ((100.0, 110.0), (200.0, 210.0)), (), 600.0)

    point, result = chosen([take], candidates(), max_false_per_hour=2.0)

    assert 0.3 < point.open_threshold <= 0.5
    assert (result.recall, result.false) == (1.0, 0)


def test_with_no_point_within_the_budget_the_quietest_is_chosen():
    loud = OperatingPoint(
        median_of=3, open_threshold=0.5, close_threshold=0.4, max_gap_s=5, cooldown_s=1
    )
    quiet = loud.model_copy(update={"open_threshold": 0.8})
    take = scored([(10, 14), (30, 34)])
    louder = ScoredTake("u", take.times_s, take.scores * 0.7, (), (), 60.0)

    point, _ = chosen([take, louder], [loud, quiet], max_false_per_hour=0.0)

    assert point == quiet


def test_the_rule_of_a_point_has_its_constants():
    point = next(iter(candidates()))

    assert rule_of(point).close_threshold == point.close_threshold
