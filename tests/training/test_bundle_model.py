from __future__ import annotations

import pytest

from engines.bundle import bundle_from_directory
from schemas.bundles import Interval, OperatingPoint
from tests.training.takes import red_when_violent
from tests.training.test_quantize import tiny_graph
from training import bundle_model
from training.bundle_model import BundleParts, golden_frames, write_bundle
from training.errors import GateFailed
from training.evaluate import logged, runtime_session, scorer_of


@pytest.fixture
def parts(tmp_path):
    model = tmp_path / "model.onnx"
    tiny_graph(model)
    takes = logged([red_when_violent("a")], scorer_of(runtime_session(model)), 4.0)
    return BundleParts(
        name="tiny",
        version="1",
        summary="Knows redness.",
        data_digest="0" * 64,
        graphs={"fp32": model},
        golden=golden_frames(takes),
        point=OperatingPoint(
            median_of=3, open_threshold=0.5, close_threshold=0.3, max_gap_s=5, cooldown_s=5
        ),
        metrics={"frame_auc": Interval(value=0.9, low=0.8, high=1.0)},
        card_text="# Card\n",
    )


def test_the_engines_accept_the_bundle_and_its_golden_frames_give_the_recorded_logits(
    parts, tmp_path
):
    write_bundle(parts, tmp_path)

    bundle = bundle_from_directory(tmp_path)
    bundle.verify()
    score = scorer_of(runtime_session(tmp_path / bundle.model_file("bf16").file))
    for golden in bundle.card.golden:
        logit = score(bundle.golden_frame(golden)[None])[0]
        assert logit == pytest.approx(golden.logits["fp32"], abs=1e-5)
        assert golden.logits["bf16"] == golden.logits["fp32"]
    assert set(bundle.card.tolerance) == {"fp32", "bf16"}


def test_golden_frames_are_of_both_kinds(parts):
    reds = parts.golden[..., 0].mean(axis=(1, 2)) > 100

    assert reds.tolist() == [True, True, False, False]


def test_a_bundle_over_the_limit_is_not_shipped(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle_model, "LIMIT_BYTES", 10)

    with pytest.raises(GateFailed, match="allowed 10"):
        write_bundle(parts, tmp_path)
