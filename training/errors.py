"""Errors of training.

* TrainingError
  + PoolRejected    takes, truth or splits are not what training may use: mend the pool
  + GateFailed      a built artefact misses its gate (parity, accuracy, size): do not ship it
"""

from __future__ import annotations


class TrainingError(Exception):
    """Base of every error that this package raises."""


class PoolRejected(TrainingError):
    """A pool of takes cannot be used as it is."""


class GateFailed(TrainingError):
    """An artefact is not good enough to ship."""
