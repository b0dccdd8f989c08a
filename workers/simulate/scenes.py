"""Where play is filmed: every map and scenario, each in exactly one of train, validation, test."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

Split = Literal["train", "validation", "test"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")


class Scene(NamedTuple):
    """A place to play: a map of one of the two Freedoom games, or a scenario's own map."""

    wad: Literal["freedoom1", "freedoom2"]
    """Also gives a scenario its textures and monsters."""
    map: str
    scenario: str | None = None


# Levels of a WAD share walls and doors with their neighbours, so each split takes levels from all
# over both games. A scenario sits in one split under both games: its map is the same in both.
_DOOM2: Final[dict[Split, tuple[int, ...]]] = {
    "train": (2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 18, 19, 20, 22, 24, 26, 28, 30, 31),
    "validation": (5, 13, 21, 25, 29),
    "test": (1, 9, 17, 23, 27, 32),
}
_DOOM1: Final[dict[Split, dict[int, tuple[int, ...]]]] = {
    "train": {
        1: (1, 2, 4, 5, 7, 8),
        2: (1, 2, 4, 6, 8, 9),
        3: (1, 3, 4, 6, 7),
        4: (2, 3, 5, 6, 8),
    },
    "validation": {1: (6,), 2: (3,), 3: (5, 8), 4: (4,)},
    "test": {1: (3, 9), 2: (5, 7), 3: (2, 9), 4: (1, 7, 9)},
}
_SCENARIOS: Final[dict[Split, tuple[str, ...]]] = {
    "train": ("deadly_corridor", "defend_the_line", "my_way_home", "simpler_basic"),
    "validation": ("predict_position",),
    "test": ("defend_the_center", "take_cover", "deathmatch"),
}


def scenes_of(split: Split) -> tuple[Scene, ...]:
    """Every scene of one split, in a fixed order."""
    episodes = _DOOM1[split].items()
    return (
        *(Scene("freedoom2", f"map{level:02d}") for level in _DOOM2[split]),
        *(Scene("freedoom1", f"e{one}m{level}") for one, levels in episodes for level in levels),
        *(
            Scene(wad, "map01", scenario)
            for scenario in _SCENARIOS[split]
            for wad in ("freedoom1", "freedoom2")
        ),
    )
