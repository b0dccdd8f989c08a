"""Scores takes with a deployed graph and says how good it is: frames first, then incidents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from schemas.bundles import Interval, OperatingPoint
from training.calibrate import probability
from training.frame_cache import CachedTake, Pixels
from training.gameplay import LEFT_OUT, VIOLENT
from training.metrics import (
    ScoredFrames,
    average_precision,
    over_takes,
    ratio_over_takes,
    roc_auc,
)
from training.operating_point import ScoredTake, outcome, rule_of

Logits = npt.NDArray[np.float64]
Scorer = Callable[[Pixels], Logits]
"""uint8 [n, 224, 224, 3] -> float64 [n] logits."""


@dataclass(frozen=True, slots=True)
class LoggedTake:
    """The looks of one take at the worker's rate, and their logits [n]."""

    cached: CachedTake
    looks: npt.NDArray[np.int64]
    logits: Logits


def runtime_session(path: Path, threads: int = 2) -> onnxruntime.InferenceSession:
    """A CPU session of ONNX Runtime, the reference for every other engine."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def scorer_of(session: onnxruntime.InferenceSession, batch: int = 16) -> Scorer:
    """Scores any number of frames through a session."""

    def score(frames: Pixels) -> Logits:
        parts = [
            session.run(None, {"frames": np.ascontiguousarray(frames[at : at + batch])})[0][:, 0]
            for at in range(0, len(frames), batch)
        ]
        return np.concatenate(parts).astype(np.float64)

    return score


def logged(takes: Sequence[CachedTake], score: Scorer, looks_per_second: float) -> list[LoggedTake]:
    """Scores the looks that a worker would take at this rate."""
    result = []
    for take in takes:
        looks = looks_at_rate(take.times_s, looks_per_second)
        result.append(LoggedTake(take, looks, score(take.frames[looks])))
    return result


def looks_at_rate(times_s: npt.NDArray[np.float64], per_second: float) -> npt.NDArray[np.int64]:
    """Indices of the first frame in each interval of 1 / per_second."""
    slots = np.floor(times_s * per_second + 1e-6).astype(np.int64)
    return np.flatnonzero(np.diff(slots, prepend=-1)).astype(np.int64)


def frames_of(take: LoggedTake) -> ScoredFrames:
    """The judged frames of a take, without the ambiguous ones."""
    labels = take.cached.labels[take.looks]
    kept = labels != LEFT_OUT
    return ScoredFrames(take.logits[kept], labels[kept] == VIOLENT)


def scored(take: LoggedTake, scale: float = 1.0, bias: float = 0.0) -> ScoredTake:
    """The take as the decision rule sees it: probabilities over time."""
    truth = take.cached.take
    return ScoredTake(
        truth.take,
        take.cached.times_s[take.looks],
        probability(take.logits * scale + bias),
        tuple(truth.spans),
        truth.ambiguous,
        truth.duration_s,
    )


def measured(takes: Sequence[LoggedTake], point: OperatingPoint) -> dict[str, Interval]:
    """Frame and incident metrics with 95 % intervals over takes."""
    frames = [frames_of(take) for take in takes]
    result = outcome([scored(take) for take in takes], rule_of(point))
    delays = np.array([delay for take in result.takes for delay in take.delays_s] or [np.inf])
    low, high = np.percentile(delays, [25, 75]) if len(delays) > 1 else (delays[0], delays[0])
    return {
        "frame_auc": over_takes(frames, roc_auc),
        "frame_average_precision": over_takes(frames, average_precision),
        "incident_recall": ratio_over_takes([(t.flagged, t.incidents) for t in result.takes]),
        "false_per_stream_hour": ratio_over_takes(
            [(t.false, t.duration_s / 3600) for t in result.takes]
        ),
        "median_delay_s_and_quartiles": Interval(
            value=result.median_delay_s, low=float(low), high=float(high)
        ),
        "stream_hours": _exact(result.hours),
        "incidents": _exact(result.incidents),
        "violent_share": _exact(float(np.mean(np.concatenate([f.violent for f in frames])))),
    }


def _exact(value: float) -> Interval:
    return Interval(value=value, low=value, high=value)


def relogged(take: LoggedTake, logits: Logits) -> LoggedTake:
    """The same looks with other logits, for comparing two graphs."""
    return replace(take, logits=logits)
