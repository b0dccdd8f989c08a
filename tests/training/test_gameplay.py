from __future__ import annotations

import numpy as np
import pytest

from tests.training.takes import take, write_take
from training.errors import PoolRejected
from training.gameplay import CALM, LEFT_OUT, VIOLENT, check_disjoint, data_digest, labels_at
from training.gameplay import takes_from_pool as read


def test_a_frame_is_violent_in_an_incident_left_out_when_ambiguous_and_calm_otherwise():
    labels = labels_at(take(), np.array([0.0, 2.0, 3.9, 4.5, 6.0]))

    assert labels.tolist() == [CALM, VIOLENT, VIOLENT, LEFT_OUT, CALM]


def test_a_single_hit_is_violent_though_the_container_rounds_its_time():
    hit = take(incidents=[{"start_s": 1 / 3, "end_s": 1 / 3}], ambiguous=[])

    assert labels_at(hit, [0.33333, 1.0]).tolist() == [VIOLENT, CALM]


def test_violence_wins_where_an_ambiguous_span_overlaps_it():
    overlapping = take(ambiguous=[[0.0, 9.0]])

    assert labels_at(overlapping, [3.0]).tolist() == [VIOLENT]


def test_a_pool_is_read_in_order_of_names_and_skips_takes_still_being_written(tmp_path):
    for name in ("b", "a"):
        write_take(tmp_path, take(name), [(0, 0, 0)])
    (tmp_path / "c.json").write_text("{}")

    assert [t.take for t in read(tmp_path)] == ["a", "b"]


def test_an_empty_pool_is_refused_with_the_command_that_fills_it(tmp_path):
    with pytest.raises(PoolRejected, match="flagpost simulate"):
        read(tmp_path)


def test_broken_truth_names_its_file_and_field(tmp_path):
    write_take(tmp_path, take("a"), [(0, 0, 0)])
    (tmp_path / "a.json").write_text('{"take": "a"}')

    with pytest.raises(PoolRejected, match=r"a\.json: wad"):
        read(tmp_path)


def test_a_map_in_two_splits_is_refused():
    with pytest.raises(PoolRejected, match="map01 of freedoom2 is in train and test"):
        check_disjoint({"train": [take("a", "map01")], "test": [take("b", "map01")]})


def test_a_scenario_is_one_place_under_both_games_and_no_level():
    level = take("a", "map01")
    one = take("b", "map01", scenario="deathmatch")
    other = take("c", "map01", scenario="deathmatch", wad="freedoom1")

    check_disjoint({"train": [level], "test": [one, other]})
    with pytest.raises(PoolRejected, match="deathmatch of scenario"):
        check_disjoint({"train": [one], "test": [other]})


def test_the_digest_of_the_data_depends_on_the_truth_and_not_on_the_order():
    one, two = take("a"), take("b")

    assert data_digest([one, two]) == data_digest([two, one])
    assert data_digest([one]) != data_digest([take("a", duration_s=11.0)])
