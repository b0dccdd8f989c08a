"""The hands of the player: what to do next, given what is on the screen."""

from __future__ import annotations

from math import atan, degrees, hypot
from typing import Final

import numpy as np

from workers.simulate.game import TICS_PER_S, Controls, Enemy, View

_WEAPON_WEIGHTS: Final = (0.5, 4, 5, 5, 2, 3, 1)
_TURN_LIMIT_DEG_S: Final = 420.0
_RUN: Final = 22.0
_SPEED: Final = 0.33
"""Map units a tic for each unit of forward speed, on open ground."""
_WALL_AHEAD: Final = 5.0
_AIMED_DEG: Final = 6.0
_FISTS: Final = 1


class Player:
    """Walks, looks and shoots.

    Args:
        rng: The take's own source of chance.
        fps: How often it is asked.
    """

    def __init__(self, rng: np.random.Generator, fps: float) -> None:
        self._rng = rng
        self._fps = fps
        self._heading = 0.0
        """Degrees that it still means to turn."""
        self._strafe = 0.0

    def weapon(self) -> int:
        """Draws a weapon, 1 (fists) to 7."""
        weights = np.array(_WEAPON_WEIGHTS) / sum(_WEAPON_WEIGHTS)
        return int(self._rng.choice(np.arange(1, 8), p=weights))

    def wander(self, view: View, *, attack: bool = False) -> Controls:
        """Walks on, turning now and then, and turns away from what blocks the way."""
        left, ahead, right = view.depths
        if abs(self._heading) < 1 and ahead < _WALL_AHEAD:
            side = 1 if right > left else -1
            self._heading = side * self._rng.uniform(30, 80 if max(left, right) > 8 else 170)
        elif self._rng.random() < 0.4 / self._fps:
            self._heading = self._rng.normal(0, 50)
        turn = self._limited(self._heading)
        self._heading -= turn
        pausing = self._rng.random() < 0.1
        return Controls(
            turn=turn + self._rng.normal(0, 1.5),
            forward=0 if pausing else _RUN * self._rng.uniform(0.4, 1),
            attack=attack,
            use=self._rng.random() < 0.2,
        )

    def watch(self, view: View) -> Controls:
        """Looks at a living monster from near and far."""
        target = max(view.enemies, key=lambda enemy: enemy.height)
        near = target.height > view.height * 0.7
        return Controls(
            turn=self._limited(_angle(target, view) + self._rng.normal(0, 8)),
            forward=-12.0 if near else self._rng.uniform(-4, 12),
            sideways=self._rng.uniform(-12, 12),
        )

    def endure(self, view: View) -> Controls:
        """Backs away under attack without shooting."""
        target = max(view.enemies, key=lambda enemy: enemy.height)
        return Controls(
            turn=self._limited(_angle(target, view) * 0.5 + self._rng.normal(0, 6)),
            forward=self._rng.uniform(-14, 4),
            sideways=self._dodge(),
        )

    def attack(self, view: View, weapon: int) -> Controls:
        """Turns to the nearest enemy, those before it first, and shoots."""
        target = min(view.enemies, key=lambda enemy: _effort(enemy, view))
        angle = _angle(target, view)
        half_width = degrees(atan(target.width / view.width))
        near = target.height > view.height * 0.6
        turn = self._limited(angle + self._rng.normal(0, 1.5))
        return Controls(
            turn=turn,
            forward=_RUN if weapon == _FISTS else (-10.0 if near else self._rng.uniform(0, 10)),
            sideways=0.0 if weapon == _FISTS else self._dodge(),
            attack=abs(angle - turn) < max(_AIMED_DEG, half_width),
        )

    def moved(self, controls: Controls, before: View, after: View) -> None:
        """Notices that something was in the way, and means to turn."""
        tics = (after.time_s - before.time_s) * TICS_PER_S
        distance = hypot(*np.subtract(after.position, before.position))
        blocked = controls.forward > 0 and distance < 0.25 * _SPEED * controls.forward * tics
        if blocked and abs(self._heading) < 1:
            self._heading = float(self._rng.choice((-1, 1))) * self._rng.uniform(60, 170)

    def _dodge(self) -> float:
        if self._rng.random() < 2 / self._fps:
            self._strafe = float(self._rng.choice((-14, 0, 0, 14)))
        return self._strafe

    def _limited(self, turn: float) -> float:
        limit = _TURN_LIMIT_DEG_S / self._fps
        return float(np.clip(turn, -limit, limit))


def _angle(enemy: Enemy, view: View) -> float:
    """Degrees to the right of the crosshair; the field of view is 90 degrees wide."""
    half = view.width / 2
    return degrees(atan((enemy.x + enemy.width / 2 - half) / half))


def _effort(enemy: Enemy, view: View) -> float:
    """Small for what is near and before the player; far ones are often out of reach."""
    return abs(_angle(enemy, view)) / 45 - 2 * enemy.height / view.height
