from __future__ import annotations

import numpy as np
import pytest

from training.metrics import (
    ScoredFrames,
    average_precision,
    over_takes,
    ratio_over_takes,
    roc_auc,
)


def brute_auc(scores, violent):
    pairs = [(s > t) + 0.5 * (s == t) for s in scores[violent] for t in scores[~violent]]
    return float(np.mean(pairs))


def brute_precision(scores, violent):
    area, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        kept = scores >= threshold
        now = violent[kept].sum() / violent.sum()
        area += (now - recall) * violent[kept].sum() / kept.sum()
        recall = now
    return area


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("levels", [4, 1000])
def test_ranking_metrics_agree_with_brute_force_with_and_without_ties(seed, levels):
    rng = np.random.default_rng(seed)
    violent = rng.random(80) < 0.3
    scores = np.round((rng.random(80) + 0.3 * violent) * levels) / levels

    assert roc_auc(scores, violent) == pytest.approx(brute_auc(scores, violent))
    assert average_precision(scores, violent) == pytest.approx(brute_precision(scores, violent))


def test_metrics_of_one_class_are_not_numbers():
    assert np.isnan(roc_auc(np.array([1.0, 2.0]), np.array([True, True])))
    assert np.isnan(average_precision(np.array([1.0]), np.array([False])))


def test_an_interval_over_takes_holds_the_value_and_is_wider_with_fewer_takes():
    rng = np.random.default_rng(1)

    def some(count):
        parts = []
        for _ in range(count):
            violent = rng.random(30) < 0.4
            parts.append(ScoredFrames(rng.normal(violent * 1.0, 1.0), violent))
        return over_takes(parts, roc_auc, rounds=200)

    few, many = some(4), some(64)
    assert few.low <= few.value <= few.high
    assert many.high - many.low < few.high - few.low


def test_a_ratio_is_of_sums_and_not_a_mean_of_ratios():
    interval = ratio_over_takes([(1, 1), (0, 9)])

    assert interval.value == pytest.approx(0.1)
    assert interval.low == 0.0
    assert interval.high == 1.0
