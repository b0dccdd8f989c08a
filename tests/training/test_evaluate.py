from __future__ import annotations

import numpy as np
import pytest

from schemas.bundles import OperatingPoint
from tests.training.takes import red_when_violent
from training.evaluate import frames_of, logged, looks_at_rate, measured, scored

POINT = OperatingPoint(
    median_of=3, open_threshold=0.5, close_threshold=0.3, max_gap_s=5, cooldown_s=5
)


def redness(frames):
    """Logit of frames whose red is violence."""
    reds = frames[..., 0].mean(axis=(1, 2)) - frames[..., 1].mean(axis=(1, 2))
    return np.asarray((reds - 50) / 10, dtype=np.float64)


def test_looks_are_the_first_frames_of_each_interval():
    assert looks_at_rate(np.arange(8) / 4.0, 2.0).tolist() == [0, 2, 4, 6]
    assert looks_at_rate(np.arange(4) / 1.0, 2.0).tolist() == [0, 1, 2, 3]


def test_a_scorer_that_sees_violence_finds_every_incident_and_nothing_else():
    takes = logged([red_when_violent(str(i), seed=i, side=32) for i in range(3)], redness, 4.0)

    metrics = measured(takes, POINT)

    assert metrics["frame_auc"].value == 1.0
    assert metrics["incident_recall"].value == 1.0
    assert metrics["false_per_stream_hour"].value == 0.0
    assert metrics["median_delay_s_and_quartiles"].value == pytest.approx(0.25)
    assert metrics["stream_hours"].value == pytest.approx(30 / 3600)


def test_ambiguous_frames_are_left_out_of_frame_metrics_but_seen_by_the_rule():
    [take] = logged([red_when_violent(side=32)], redness, 4.0)

    assert len(frames_of(take).scores) == 40 - 6
    assert len(scored(take).scores) == 40
