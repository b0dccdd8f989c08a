"""Plays a script in a game: walks, looks, shoots and picks fights like a person at the controls.

It only tries to make a stretch violent or calm; what it became is for `truth` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import atan, degrees, hypot
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.simulate.errors import SimulationFailed
from workers.simulate.game import TICS_PER_S, Controls, Enemy, Game, View
from workers.simulate.script import Kind, Stretch
from workers.simulate.truth import Observation

_SUMMONED: Final = {
    "Zombieman": 5,
    "ShotgunGuy": 5,
    "DoomImp": 5,
    "Demon": 4,
    "ChaingunGuy": 3,
    "LostSoul": 2,
    "Cacodemon": 2,
    "HellKnight": 2,
    "Spectre": 1,
    "Revenant": 1,
    "BaronOfHell": 1,
    "Fatso": 1,
    "Arachnotron": 1,
    "WolfensteinSS": 1,
}
_WEAPON_WEIGHTS: Final = (0.5, 4, 5, 5, 2, 3, 1)
_TURN_LIMIT_DEG_S: Final = 420.0
_RUN: Final = 22.0
_SPEED: Final = 0.33
"""Map units a tic for each unit of forward speed, on open ground."""
_WALL_AHEAD: Final = 5.0
_PROJECTILES_LAST_S: Final = 4.0
_TOO_DARK: Final = 12.0
_LOW_HEALTH: Final = 35
_AIMED_DEG: Final = 6.0


class Director:
    """Plays one take; make a new one for each.

    Args:
        game: Restarted with the take's seed.
        rng: The take's own source of chance.
        fps: Frames per second of the film; physics always runs at 35 tics a second.
    """

    def __init__(self, game: Game, rng: np.random.Generator, fps: float) -> None:
        self._game = game
        self._rng = rng
        self._fps = fps
        self._frames = 0
        self._awake = False
        self._awake_until_s = -_PROJECTILES_LAST_S
        self._cleared = False
        self._heading = 0.0
        self._view = self._open()

    def play(self, stretches: Sequence[Stretch]) -> Iterator[tuple[NDArray[np.uint8], Observation]]:
        """Yields each frame, [height, width, 3] uint8 RGB, with what happened since the last.

        Raises:
            SimulationFailed: The game broke, or the floor hurt the player: not a usable take.
        """
        yield self._view.picture, Observation(0.0)
        for stretch in stretches:
            frames = max(1, round(stretch.seconds * self._fps))
            yield from (
                self._fight(frames, stretch) if stretch.violent else self._calm(frames, stretch)
            )

    def _open(self) -> View:
        self._game.command("notarget")
        view = self._game.step(Controls(weapon=self._weapon()), 5)
        places = self._game.places()
        if places and self._rng.random() < 0.8:
            x, y = places[int(self._rng.integers(len(places)))]
            self._game.command(f"warp {x:.0f} {y:.0f}")
        if self._rng.random() < 0.3:
            self._game.command("kill monsters")
        view = self._game.step(Controls(turn=self._rng.uniform(-180, 180)), 30)
        if view.picture.mean() < _TOO_DARK:
            raise SimulationFailed("too dark here to see anything")
        self._start_tics = round(view.time_s * TICS_PER_S)
        return view

    def _calm(
        self, frames: int, stretch: Stretch
    ) -> Iterator[tuple[NDArray[np.uint8], Observation]]:
        if stretch.kind is Kind.WATCH and not self._view.enemies:
            self._summon(int(self._rng.integers(1, 3)))
        elif stretch.kind is Kind.SHOOT_AT_NOTHING:
            yield self._frame(Controls(weapon=self._weapon()))
            frames -= 1
        for _ in range(frames):
            if stretch.kind is Kind.WATCH and self._view.enemies:
                yield self._frame(self._watch())
            elif stretch.kind is Kind.SHOOT_AT_NOTHING and not self._view.enemies:
                yield self._frame(self._wander(attack=self._rng.random() < 0.7))
            else:
                yield self._frame(self._wander())

    def _fight(
        self, frames: int, stretch: Stretch
    ) -> Iterator[tuple[NDArray[np.uint8], Observation]]:
        self._game.command("notarget", "give ammo")
        self._awake = True
        weapon = self._weapon()
        passive = round(frames * self._rng.uniform(0.4, 1)) if stretch.kind is Kind.AMBUSH else 0
        strafe, blind = 0.0, 0
        for number in range(frames):
            if self._view.health < _LOW_HEALTH:
                self._game.command("give health 100")
            blind = 0 if self._view.enemies else blind + 1
            if blind and blind % max(1, round(0.7 * self._fps)) == 1:
                self._summon(int(self._rng.integers(1, 4)))
            if self._rng.random() < 2 / self._fps:
                strafe = float(self._rng.choice((-14, 0, 0, 14)))
            if not self._view.enemies:
                controls = Controls(turn=self._limited(150 / self._fps), forward=-8)
            elif number < passive:
                controls = self._endure(strafe)
            else:
                controls = self._attack(strafe, weapon)
            yield self._frame(controls)
        self._end_fight()

    def _end_fight(self) -> None:
        """Leaves nobody alive who would go on attacking in the calm that follows."""
        self._game.command("notarget", "kill monsters")
        self._awake = False
        self._awake_until_s = self._view.time_s
        self._cleared = True

    def _frame(self, controls: Controls) -> tuple[NDArray[np.uint8], Observation]:
        self._frames += 1
        due = self._start_tics + round(self._frames * TICS_PER_S / self._fps)
        before = self._view
        tics = due - round(before.time_s * TICS_PER_S)
        self._view = view = self._game.step(controls, tics)
        taken = view.damage_taken - before.damage_taken
        hostile = self._awake or view.time_s - self._awake_until_s < _PROJECTILES_LAST_S
        if taken and not hostile:
            raise SimulationFailed("the floor hurts here; the take is dropped")
        kills = 0 if self._cleared else view.kills - before.kills
        self._cleared = False
        if abs(self._heading) < 1 and self._blocked(controls, before, tics):
            self._heading = float(self._rng.choice((-1, 1))) * self._rng.uniform(60, 170)
        return view.picture, Observation(
            time_s=self._frames / self._fps,
            damage_dealt=view.damage_dealt - before.damage_dealt,
            damage_taken=taken,
            kills=kills,
            threat=bool(view.enemies) and (self._awake or controls.attack),
        )

    def _blocked(self, controls: Controls, before: View, tics: int) -> bool:
        moved = hypot(*np.subtract(self._view.position, before.position))
        return controls.forward > 0 and moved < 0.25 * _SPEED * controls.forward * tics

    def _summon(self, count: int) -> None:
        weights = np.array(list(_SUMMONED.values())) / sum(_SUMMONED.values())
        kind = str(self._rng.choice(list(_SUMMONED), p=weights))
        for _ in range(count):
            self._game.command(f"summon {kind}")

    def _weapon(self) -> int:
        weights = np.array(_WEAPON_WEIGHTS) / sum(_WEAPON_WEIGHTS)
        return int(self._rng.choice(np.arange(1, 8), p=weights))

    def _wander(self, *, attack: bool = False) -> Controls:
        """Walks on, turning now and then, and turns away from what blocks the way."""
        left, ahead, right = self._view.depths
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

    def _watch(self) -> Controls:
        target = max(self._view.enemies, key=lambda enemy: enemy.height)
        near = target.height > self._game.height * 0.7
        return Controls(
            turn=self._limited(self._angle(target) + self._rng.normal(0, 8)),
            forward=-12.0 if near else self._rng.uniform(-4, 12),
            sideways=self._rng.uniform(-12, 12),
        )

    def _endure(self, strafe: float) -> Controls:
        target = max(self._view.enemies, key=lambda enemy: enemy.height)
        return Controls(
            turn=self._limited(self._angle(target) * 0.5 + self._rng.normal(0, 6)),
            forward=self._rng.uniform(-14, 4),
            sideways=strafe,
        )

    def _attack(self, strafe: float, weapon: int) -> Controls:
        centre = self._game.width / 2
        target = min(self._view.enemies, key=lambda e: abs(e.x + e.width / 2 - centre) - e.width)
        angle = self._angle(target)
        half_width = degrees(atan(target.width / self._game.width))
        near = target.height > self._game.height * 0.6
        turn = self._limited(angle + self._rng.normal(0, 1.5))
        return Controls(
            turn=turn,
            forward=_RUN if weapon == 1 else (-10.0 if near else self._rng.uniform(0, 10)),
            sideways=0.0 if weapon == 1 else strafe,
            attack=abs(angle - turn) < max(_AIMED_DEG, half_width),
            weapon=weapon if self._rng.random() < 0.3 else None,
        )

    def _angle(self, enemy: Enemy) -> float:
        """Degrees to the right of the crosshair; the field of view is 90 degrees wide."""
        half = self._game.width / 2
        return degrees(atan((enemy.x + enemy.width / 2 - half) / half))

    def _limited(self, turn: float) -> float:
        limit = _TURN_LIMIT_DEG_S / self._fps
        return float(np.clip(turn, -limit, limit))
