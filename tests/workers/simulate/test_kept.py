"""Kept pools: one for each seed, a few of them, and none is removed while it is played."""

from __future__ import annotations

import os

from workers.simulate.kept import forget_old_pools, played_pool
from workers.simulate.render import RenderSettings

SETTINGS = RenderSettings("test")


def aged(pool, age_s):
    """Makes a pool look as if it was played some time ago."""
    now_s = (pool / ".in-use").stat().st_mtime
    os.utime(pool / ".in-use", (now_s - age_s, now_s - age_s))
    (pool / "take.ts").write_bytes(b"film")
    return pool


def test_every_seed_has_a_pool_of_its_own(tmp_path):
    with played_pool(tmp_path, SETTINGS, 0) as first, played_pool(tmp_path, SETTINGS, 1) as second:
        assert first != second
        assert first.is_dir()


def test_the_pools_that_were_not_played_for_longest_are_removed(tmp_path):
    pools = []
    for seed in range(4):
        with played_pool(tmp_path, SETTINGS, seed) as pool:
            pools.append(pool)
    pools = [aged(pool, 100 * (4 - seed)) for seed, pool in enumerate(pools)]
    assert forget_old_pools(tmp_path, keep=2) == [pools[1], pools[0]]
    assert not pools[0].exists()
    assert pools[3].exists()


def test_a_pool_that_is_played_and_folders_of_others_stay(tmp_path):
    (tmp_path / "mine").mkdir()
    with played_pool(tmp_path, SETTINGS, 0) as pool:
        aged(pool, 100)
        assert forget_old_pools(tmp_path, keep=0) == []
    assert forget_old_pools(tmp_path, keep=0) == [pool]
    assert (tmp_path / "mine").is_dir()
