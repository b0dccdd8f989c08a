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
_LEVELS: Final[dict[Split, tuple[tuple[int, ...], tuple[str, ...]]]] = {
    "train": (
        (2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 18, 19, 20, 22, 24, 26, 28, 30, 31),
        ("E1M1", "E1M2", "E1M4", "E1M5", "E1M7", "E1M8", "E2M1", "E2M2", "E2M4", "E2M6", "E2M8")
        + ("E2M9", "E3M1", "E3M3", "E3M4", "E3M6", "E3M7", "E4M2", "E4M3", "E4M5", "E4M6"),
    ),
    "validation": ((5, 13, 21, 25, 29), ("E1M6", "E2M3", "E3M5", "E3M8", "E4M4")),
    "test": (
        (1, 9, 17, 23, 27, 32),
        ("E1M3", "E1M9", "E2M5", "E2M7", "E3M2", "E3M9", "E4M1", "E4M7"),
    ),
}
_SCENARIOS: Final[dict[Split, tuple[str, ...]]] = {
    "train": ("deadly_corridor", "defend_the_line", "my_way_home", "simpler_basic"),
    "validation": ("predict_position",),
    "test": ("defend_the_center", "take_cover", "deathmatch"),
}


def scenes_of(split: Split) -> tuple[Scene, ...]:
    """Every scene of one split, in a fixed order."""
    doom2, doom1 = _LEVELS[split]
    return (
        *(Scene("freedoom2", f"map{number:02d}") for number in doom2),
        *(Scene("freedoom1", name.lower()) for name in doom1),
        *(
            Scene(wad, "map01", scenario)
            for scenario in _SCENARIOS[split]
            for wad in ("freedoom1", "freedoom2")
        ),
    )
