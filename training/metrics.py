"""Ranking quality of frame scores, with intervals that respect takes.

Frames of one take are not independent, so intervals resample whole takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.bundles import Interval

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScoredFrames:
    """Judged frames of one take: `scores` [n] and `violent` [n]; ambiguous ones are left out."""

    scores: Floats
    violent: Flags


def roc_auc(scores: Floats, violent: Flags) -> float:
    """Chance that a violent frame outranks a calm one; ties count half (Mann-Whitney)."""
    positives, negatives = int(violent.sum()), int((~violent).sum())
    if not positives or not negatives:
        return float("nan")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[place]
    return float((ranks[violent].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(scores: Floats, violent: Flags) -> float:
    """Area under precision-recall as the sum of precision times recall steps; ties together."""
    positives = int(violent.sum())
    if not positives:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(violent[order])
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    precision = hits[ends] / (ends + 1)
    recall = np.concatenate([[0.0], hits[ends] / positives])
    return float(np.sum(np.diff(recall) * precision))


def over_takes(
    takes: Sequence[ScoredFrames], metric: Callable[[Floats, Flags], float], rounds: int = 500
) -> Interval:
    """A metric on all frames, with its 95 % interval over `rounds` bootstraps of takes."""
    rng = np.random.default_rng(0)
    values = [
        metric(*_joined([takes[i] for i in rng.integers(0, len(takes), len(takes))]))
        for _ in range(rounds)
    ]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Interval(value=metric(*_joined(takes)), low=float(low), high=float(high))


def ratio_over_takes(parts: Sequence[tuple[float, float]], rounds: int = 2000) -> Interval:
    """Sum of numerators over sum of denominators, with a 95 % bootstrap interval over takes."""
    table = np.asarray(parts, dtype=np.float64)
    rng = np.random.default_rng(0)
    sums = table[rng.integers(0, len(table), (rounds, len(table)))].sum(axis=1)
    whole = sums[sums[:, 1] > 0]
    low, high = np.percentile(whole[:, 0] / whole[:, 1], [2.5, 97.5])
    numerator, denominator = table.sum(axis=0)
    return Interval(value=float(numerator / denominator), low=float(low), high=float(high))


def _joined(takes: Sequence[ScoredFrames]) -> tuple[Floats, Flags]:
    return (
        np.concatenate([take.scores for take in takes]),
        np.concatenate([take.violent for take in takes]),
    )
