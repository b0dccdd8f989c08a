"""Errors of the simulator.

* WorkerError
  + SimulationFailed      the game or the encoder broke; another take may work
  + Fatal
    - GameMissing         the game is not installed
    - PoolRejected        a pool directory that cannot serve the streams asked for
"""

from __future__ import annotations

from workers.errors import Fatal, WorkerError


class SimulationFailed(WorkerError):
    """The game or the encoder broke in the middle of a take."""


class GameMissing(Fatal):
    """The game is not installed here."""


class PoolRejected(Fatal):
    """A pool of takes is empty, unreadable or of the wrong kind."""
