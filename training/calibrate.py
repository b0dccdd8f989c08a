"""Temperature and bias that turn logits into probabilities (arXiv 1901.06852, with one class)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibrated logit = scale * logit + bias; folded into the head before export."""

    scale: float = 1.0
    bias: float = 0.0


def probability(logits: Floats) -> Floats:
    """Sigmoid that neither overflows nor warns."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float64)


def calibrated(
    logits: Floats, violent: npt.NDArray[np.bool_], rounds: int = 50, ridge: float = 1e-3
) -> Calibration:
    """Fits scale and bias by Newton's method on the log loss.

    Args:
        logits: float [n], frames at their natural prevalence.
        violent: bool [n].
        rounds: Newton steps; fewer are taken once the step is tiny.
        ridge: Pull of the scale towards 1, which keeps separable data finite.
    """
    inputs = np.stack([logits, np.ones_like(logits)], axis=1)
    weights = np.array([1.0, 0.0])
    pull = ridge * len(logits) * np.diag([1.0, 0.0])
    for _ in range(rounds):
        p = probability(inputs @ weights)
        slope = inputs.T @ (p - violent) + pull @ (weights - np.array([1.0, 0.0]))
        curve = inputs.T @ (inputs * (p * (1 - p))[:, None]) + pull + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        weights = weights - step * min(1.0, 2.0 / max(1e-12, float(np.abs(step).max())))
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(scale=float(weights[0]), bias=float(weights[1]))
