"""Whether an INT8 graph may ship: as good as fp32 on validation, and faster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import openvino

from schemas.bundles import Interval, OperatingPoint
from training.evaluate import (
    LoggedTake,
    Scorer,
    frames_of,
    relogged,
    runtime_session,
    scored,
    scorer_of,
)
from training.frame_cache import Pixels
from training.metrics import ratio_over_takes, roc_auc
from training.operating_point import Outcome, outcome, rule_of
from training.quantize import Int8Plan, int8_from_onnx

MAX_AUC_LOSS = 0.002


@dataclass(frozen=True, slots=True)
class Int8Verdict:
    """What was measured of one INT8 graph against its fp32 graph, on validation.

    Attributes:
        auc_loss: Frame AUC of fp32 minus that of INT8.
        recall: Incident recall at the operating point, (fp32, INT8).
        false_per_hour: False incidents per stream-hour, (fp32, INT8).
        speedup: fp32 time over INT8 time, one thread, by engine.
        reasons: Why it may not ship; empty if it may.
    """

    plan: Int8Plan
    auc_loss: float
    recall: tuple[float, float]
    false_per_hour: tuple[float, float]
    speedup: dict[str, float]
    reasons: tuple[str, ...]

    def text(self) -> str:
        """One line for the log and the card."""
        speed = ", ".join(f"{ratio:.2f}x on {name}" for name, ratio in self.speedup.items())
        head = "passes" if not self.reasons else "does not pass (" + "; ".join(self.reasons) + ")"
        return (
            f"{self.plan.method} calibration, first {self.plan.float_convolutions} convolutions in "
            f"float: {head}. Frame AUC loss {self.auc_loss:+.4f}; recall {self.recall[0]:.3f} -> "
            f"{self.recall[1]:.3f}; false per stream-hour {self.false_per_hour[0]:.2f} -> "
            f"{self.false_per_hour[1]:.2f}; {speed} (one thread)."
        )


def judge(
    plan: Int8Plan,
    graphs: tuple[Path, Path],
    validation: Sequence[LoggedTake],
    point: OperatingPoint,
) -> Int8Verdict:
    """Measures the INT8 graph `graphs[1]` against the fp32 graph `graphs[0]`."""
    score = scorer_of(runtime_session(graphs[1]))
    small = [relogged(take, score(take.cached.frames[take.looks])) for take in validation]
    before, after = _outcome(validation, point), _outcome(small, point)
    speedup = speedups(graphs, validation[0].cached.frames[:1])
    loss = _auc(validation) - _auc(small)
    reasons = []
    if loss > MAX_AUC_LOSS:
        reasons.append(f"AUC loss {loss:.4f} is over {MAX_AUC_LOSS}")
    if after.recall < _recall(before).low:
        reasons.append(f"recall {after.recall:.3f} is below the interval of fp32")
    if after.false_per_hour > _false(before).high:
        reasons.append(f"{after.false_per_hour:.2f} false per hour is above the interval of fp32")
    if min(speedup.values()) <= 1.0:
        reasons.append("not faster on every engine")
    return Int8Verdict(
        plan,
        loss,
        (before.recall, after.recall),
        (before.false_per_hour, after.false_per_hour),
        speedup,
        tuple(reasons),
    )


def best_int8(
    plans: Sequence[Int8Plan],
    model: Path,
    calibration: Pixels,
    validation: Sequence[LoggedTake],
    point: OperatingPoint,
) -> tuple[Path | None, list[Int8Verdict]]:
    """Tries every plan; keeps the passing graph of least AUC loss as `model.int8.onnx`."""
    target = model.with_suffix(".int8.onnx")
    best: Int8Verdict | None = None
    verdicts = []
    for plan in plans:
        trial = model.with_suffix(".trial.onnx")
        int8_from_onnx(model, calibration, trial, plan)
        verdict = judge(plan, (model, trial), validation, point)
        verdicts.append(verdict)
        if not verdict.reasons and (best is None or verdict.auc_loss < best.auc_loss):
            best = verdict
            trial.replace(target)
        trial.unlink(missing_ok=True)
    if best is None:
        target.unlink(missing_ok=True)
    return (target if best else None), verdicts


def speedups(graphs: tuple[Path, Path], frame: Pixels, rounds: int = 60) -> dict[str, float]:
    """fp32 time over INT8 time on one thread; runs alternate, so that load hits both alike."""
    ratios = {}
    for name, build in (("ONNX Runtime", _onnxruntime), ("OpenVINO", _openvino)):
        scorers = [build(path) for path in graphs]
        times: list[list[float]] = [[], []]
        for _ in range(rounds):
            for column, score in zip(times, scorers, strict=True):
                started = time.perf_counter()
                score(frame)
                column.append(time.perf_counter() - started)
        ratios[name] = float(np.median(times[0]) / np.median(times[1]))
    return ratios


def _onnxruntime(path: Path) -> Scorer:
    return scorer_of(runtime_session(path, threads=1))


def _openvino(path: Path) -> Scorer:
    core = openvino.Core()
    config = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(str(path), "CPU", config).create_infer_request()

    def score(frames: Pixels) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        logits = request.infer({0: np.ascontiguousarray(frames)})[0]
        return np.asarray(logits[:, 0], dtype=np.float64)

    return score


def _outcome(takes: Sequence[LoggedTake], point: OperatingPoint) -> Outcome:
    return outcome([scored(take) for take in takes], rule_of(point))


def _auc(takes: Sequence[LoggedTake]) -> float:
    frames = [frames_of(take) for take in takes]
    return roc_auc(
        np.concatenate([f.scores for f in frames]), np.concatenate([f.violent for f in frames])
    )


def _recall(result: Outcome) -> Interval:
    return ratio_over_takes([(take.flagged, take.incidents) for take in result.takes])


def _false(result: Outcome) -> Interval:
    return ratio_over_takes([(take.false, take.duration_s / 3600) for take in result.takes])
