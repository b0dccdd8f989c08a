"""Plays a script in a game: sets the stage, and has the player walk, look, shoot and fight.

It only tries to make a stretch violent or calm; what it became is for `truth` to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from workers.simulate.errors import SimulationFailed
from workers.simulate.game import TICS_PER_S, Controls, Game, View
from workers.simulate.player import Player
from workers.simulate.script import Kind, Stretch
from workers.simulate.truth import Observation

Shot = tuple[NDArray[np.uint8], Observation]
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
_PROJECTILES_LAST_S: Final = 4.0
_TOO_DARK: Final = 12.0
_LOW_HEALTH: Final = 35
_LULL_S: Final = 1.0
"""After this long without damage a fight gets new enemies, within arm's reach."""
_FIGHT_OVER_S: Final = 2.5
"""A fight without damage for this long is given up: it would only make ambiguous time."""
_ENEMIES_AT_MOST: Final = 6


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
        self._player = Player(rng, fps)
        self._frames = 0
        self._awake = False
        self._awake_until_s = -_PROJECTILES_LAST_S
        self._damage_at_s = 0.0
        self._cleared = False
        self._view = self._open()

    def play(self, stretches: Sequence[Stretch]) -> Iterator[Shot]:
        """Yields each frame, [height, width, 3] uint8 RGB, with what happened since the last.

        Raises:
            SimulationFailed: The game broke, or the floor hurt the player: not a usable take.
        """
        yield self._view.picture, Observation(0.0)
        for stretch in stretches:
            frames = max(1, round(stretch.seconds * self._fps))
            if stretch.violent:
                yield from self._fight(frames, ambush=stretch.kind is Kind.AMBUSH)
            else:
                yield from self._calm(frames, stretch.kind)

    def _open(self) -> View:
        self._game.command("notarget")
        self._game.step(Controls(weapon=self._player.weapon()), 5)
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

    def _calm(self, frames: int, kind: Kind) -> Iterator[Shot]:
        if kind is Kind.WATCH and not self._view.enemies:
            self._summon(int(self._rng.integers(1, 3)))
        elif kind is Kind.SHOOT_AT_NOTHING:
            yield self._frame(Controls(weapon=self._player.weapon()))
            frames -= 1
        for _ in range(frames):
            if kind is Kind.WATCH and self._view.enemies:
                controls = self._player.watch(self._view)
            else:
                shooting = kind is Kind.SHOOT_AT_NOTHING and not self._view.enemies
                attack = shooting and self._rng.random() < 0.7
                controls = self._player.wander(self._view, attack=attack)
            yield self._frame(controls)

    def _fight(self, frames: int, *, ambush: bool) -> Iterator[Shot]:
        self._game.command("notarget", "give ammo")
        self._awake = True
        self._damage_at_s = self._view.time_s
        weapon = self._player.weapon()
        passive = round(frames * self._rng.uniform(0.3, 0.8)) if ambush else 0
        yield self._frame(Controls(weapon=weapon))
        for number in range(1, frames):
            lull_s = self._view.time_s - self._damage_at_s
            if lull_s > _FIGHT_OVER_S:
                break
            self._keep_going(number, lull_s)
            if not self._view.enemies:
                controls = self._player.wander(self._view)
            elif number < passive and lull_s < _LULL_S:
                controls = self._player.endure(self._view)
            else:
                controls = self._player.attack(self._view, weapon)
            yield self._frame(controls)
        self._end_fight()

    def _keep_going(self, number: int, lull_s: float) -> None:
        """Heals the player, and brings enemies where there are none or none within reach."""
        if self._view.health < _LOW_HEALTH:
            self._game.command("give health 100")
        if number % max(1, round(0.5 * self._fps)) != 1:
            return
        alone = not self._view.enemies
        if alone or (lull_s > _LULL_S and len(self._view.enemies) < _ENEMIES_AT_MOST):
            self._summon(int(self._rng.integers(1, 4)))

    def _end_fight(self) -> None:
        """Leaves nobody alive who would go on attacking in the calm that follows."""
        self._game.command("notarget", "kill monsters")
        self._awake = False
        self._awake_until_s = self._view.time_s
        self._cleared = True

    def _frame(self, controls: Controls) -> Shot:
        self._frames += 1
        due = self._start_tics + round(self._frames * TICS_PER_S / self._fps)
        before = self._view
        view = self._game.step(controls, due - round(before.time_s * TICS_PER_S))
        self._view = view
        self._player.moved(controls, before, view)
        dealt = view.damage_dealt - before.damage_dealt
        taken = view.damage_taken - before.damage_taken
        if dealt or taken:
            self._damage_at_s = view.time_s
        hostile = self._awake or view.time_s - self._awake_until_s < _PROJECTILES_LAST_S
        if taken and not hostile:
            raise SimulationFailed("the floor hurts here; the take is dropped")
        kills = 0 if self._cleared else view.kills - before.kills
        self._cleared = False
        return view.picture, Observation(
            time_s=self._frames / self._fps,
            damage_dealt=dealt,
            damage_taken=taken,
            kills=kills,
            threat=bool(view.enemies) and (self._awake or controls.attack),
        )

    def _summon(self, count: int) -> None:
        weights = np.array(list(_SUMMONED.values())) / sum(_SUMMONED.values())
        kind = str(self._rng.choice(list(_SUMMONED), p=weights))
        for _ in range(count):
            self._game.command(f"summon {kind}")
