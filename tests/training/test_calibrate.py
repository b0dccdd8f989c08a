from __future__ import annotations

import numpy as np
import pytest

from training.calibrate import calibrated, probability


def test_the_fit_recovers_scale_and_bias_of_the_process_that_made_the_labels():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 50_000)
    violent = rng.random(50_000) < probability(0.5 * logits - 1.5)

    fit = calibrated(logits, violent, ridge=0.0)

    assert fit.scale == pytest.approx(0.5, abs=0.02)
    assert fit.bias == pytest.approx(-1.5, abs=0.05)


def test_the_mean_probability_after_calibration_is_the_share_of_violent_frames():
    rng = np.random.default_rng(1)
    violent = rng.random(5_000) < 0.1
    logits = rng.normal(violent * 2.0, 1.0)

    fit = calibrated(logits, violent)

    assert probability(fit.scale * logits + fit.bias).mean() == pytest.approx(0.1, abs=1e-3)


def test_separable_scores_stay_finite():
    fit = calibrated(np.array([-5.0, -4.0, 4.0, 5.0]), np.array([False, False, True, True]))

    assert 0 < fit.scale < 100
    assert abs(fit.bias) < 10


def test_probability_neither_overflows_nor_warns():
    assert probability(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]
