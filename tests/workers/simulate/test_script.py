import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.simulate.script import opening_script, script

seeds = st.integers(0, 2**32)


@given(seeds, st.sampled_from([script, opening_script]))
def test_a_take_begins_and_ends_calm_for_two_seconds(seed, draw):
    stretches = draw(np.random.default_rng(seed))
    fights = [number for number, one in enumerate(stretches) if one.violent]
    if fights:
        assert sum(one.seconds for one in stretches[: fights[0]]) >= 2.0
        assert sum(one.seconds for one in stretches[fights[-1] + 1 :]) >= 2.0


@given(seeds)
def test_the_same_seed_gives_the_same_script(seed):
    assert script(np.random.default_rng(seed)) == script(np.random.default_rng(seed))


def test_about_a_quarter_of_all_takes_are_calm_throughout():
    scripts = [script(np.random.default_rng(seed)) for seed in range(1000)]
    calm = sum(not any(one.violent for one in stretches) for stretches in scripts)
    assert calm / len(scripts) == pytest.approx(0.25, abs=0.05)


def test_a_share_of_takes_has_several_fights():
    scripts = [script(np.random.default_rng(seed)) for seed in range(300)]
    assert sum(sum(one.violent for one in stretches) > 1 for stretches in scripts) > 100


@given(seeds)
def test_an_opening_take_is_short_and_has_a_fight(seed):
    stretches = opening_script(np.random.default_rng(seed))
    assert any(one.violent for one in stretches)
    assert sum(one.seconds for one in stretches) < 25
