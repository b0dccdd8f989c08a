from collections import Counter

import pytest

from workers.simulate.scenes import SPLITS, scenes_of


def place_of(scene):
    """A scenario's map is the same under both games."""
    return scene.scenario or (scene.wad, scene.map)


def test_no_place_is_in_two_splits():
    places = Counter(place for split in SPLITS for place in {place_of(s) for s in scenes_of(split)})
    assert max(places.values()) == 1


def test_every_level_of_both_games_is_in_a_split():
    levels = {s[:2] for split in SPLITS for s in scenes_of(split) if s.scenario is None}
    assert levels == {("freedoom2", f"map{n:02d}") for n in range(1, 33)} | {
        ("freedoom1", f"e{episode}m{level}") for episode in range(1, 5) for level in range(1, 10)
    }


@pytest.mark.parametrize(("split", "share"), [("train", 0.6), ("validation", 0.15), ("test", 0.25)])
def test_the_splits_have_about_their_share_of_the_scenes(split, share):
    total = sum(len(scenes_of(one)) for one in SPLITS)
    assert len(scenes_of(split)) / total == pytest.approx(share, abs=0.06)
