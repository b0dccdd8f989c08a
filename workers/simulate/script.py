"""What a take shall show: calm and violent stretches drawn at random, seeded."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

CALM_TAKES: Final = 0.25
"""Share of takes without any violence."""
_CALM_BEFORE_S: Final = (3.0, 9.0)
_CALM_AFTER_S: Final = (4.5, 8.5)
_FIGHT_S: Final = (4.0, 12.0)
_FIGHTS: Final = (1, 2, 3)
_FIGHTS_WEIGHTS: Final = (0.35, 0.4, 0.25)


class Kind(StrEnum):
    """What a stretch shows."""

    WALK = "walk"
    WATCH = "watch"
    """Living monsters that do nothing, looked at from near and far."""
    SHOOT_AT_NOTHING = "shoot at nothing"
    FIGHT = "fight"
    AMBUSH = "ambush"
    """Monsters attack and the player does not shoot back for a while."""


_CALM: Final = (Kind.WALK, Kind.WATCH, Kind.SHOOT_AT_NOTHING)
_CALM_WEIGHTS: Final = (0.45, 0.3, 0.25)


@dataclass(frozen=True, slots=True)
class Stretch:
    """One part of a take."""

    kind: Kind
    seconds: float

    @property
    def violent(self) -> bool:
        return self.kind in (Kind.FIGHT, Kind.AMBUSH)


def script(rng: np.random.Generator) -> list[Stretch]:
    """Draws the stretches of one take, calm at both ends."""
    if rng.random() < CALM_TAKES:
        return _calm(rng, rng.uniform(20, 36))
    stretches = _calm(rng, rng.uniform(*_CALM_BEFORE_S))
    for _ in range(int(rng.choice(_FIGHTS, p=_FIGHTS_WEIGHTS))):
        kind = Kind.AMBUSH if rng.random() < 0.3 else Kind.FIGHT
        stretches.append(Stretch(kind, rng.uniform(*_FIGHT_S)))
        stretches += _calm(rng, rng.uniform(*_CALM_AFTER_S))
    return stretches


def opening_script(rng: np.random.Generator) -> list[Stretch]:
    """A short take with one early fight: soon rendered, for streams that are to start at once."""
    return [
        Stretch(Kind.WALK, rng.uniform(2.5, 4.5)),
        Stretch(Kind.FIGHT, rng.uniform(4, 6)),
        Stretch(Kind.WALK, rng.uniform(4.5, 6)),
    ]


def _calm(rng: np.random.Generator, seconds: float) -> list[Stretch]:
    """Fills the time with calm stretches of three to eight seconds."""
    stretches = []
    while seconds > 0:
        kind = Kind(str(rng.choice(_CALM, p=_CALM_WEIGHTS)))
        length = min(seconds, rng.uniform(3, 8))
        stretches.append(Stretch(kind, length))
        seconds -= length
    return stretches
