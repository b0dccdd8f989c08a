from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install flagpost[training]")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install flagpost[training]")

from click.testing import CliRunner  # noqa: E402

from tests.training.takes import take, write_take  # noqa: E402
from training.demo import main, splits_from_pool  # noqa: E402
from training.errors import PoolRejected  # noqa: E402

GREY, RED = (90, 90, 90), (200, 60, 60)


def pool_of(root, train: str = "map02"):
    """Two takes a split: gray, and red while the incident runs (2 s to 4 s of 10 s).

    A few frames are of the other colour: perfect separation has no finite calibration.
    """
    red = {*range(8, 17), 2, 25, 26, 33} - {11, 14}
    colours = [RED if frame in red else GREY for frame in range(40)]
    for split, place in (("train", train), ("validation", "map05"), ("test", "map01")):
        for number in range(2):
            truth = take(f"{place}-{split}-{number}", place, split=split)
            write_take(root / split, truth, colours)
    return root


def test_a_pool_whose_splits_share_a_map_is_refused_before_anything_is_decoded(tmp_path):
    pool = pool_of(tmp_path / "pool", train="map01")

    with pytest.raises(PoolRejected, match="map01 of freedoom2"):
        splits_from_pool(pool, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_phases_that_are_no_phases_are_refused_with_an_example(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path), "--work", "w", "-o", "o", "--phases", "big"])

    assert result.exit_code == 2
    assert "such as 128x6000" in result.output
