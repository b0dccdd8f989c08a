from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs torch: pip install flagpost[training]")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install flagpost[training]")

from click.testing import CliRunner  # noqa: E402

from engines.bundle import bundle_from_directory  # noqa: E402
from engines.opening import open_engine  # noqa: E402
from tests.training.takes import take, write_take  # noqa: E402
from training.demo import main, splits_from_pool  # noqa: E402
from training.errors import PoolRejected  # noqa: E402

GREY, RED = (90, 90, 90), (200, 60, 60)


def pool_of(root, train: str = "map02"):
    """Two takes a split: gray, and red while the incident runs (2 s to 4 s of 10 s)."""
    colours = [RED if 8 <= frame <= 16 else GREY for frame in range(40)]
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


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.export's own
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_one_command_turns_a_pool_into_a_bundle_that_the_engines_open(tmp_path):
    pool, output = pool_of(tmp_path / "pool"), tmp_path / "tiny-s0"
    options = ["--work", str(tmp_path / "work"), "-o", str(output), "--phases", "32x20"]

    result = CliRunner().invoke(main, [str(pool), *options], catch_exceptions=False)

    assert result.exit_code == 0
    assert "frame_auc" in result.output
    bundle = bundle_from_directory(output)
    open_engine(bundle, "openvino", "fp32").close()
    assert bundle.card.metrics["incidents"].value == 2
    assert "knows one game" in (output / "CARD.md").read_text()


def test_phases_that_are_no_phases_are_refused_with_an_example(tmp_path):
    result = CliRunner().invoke(main, [str(tmp_path), "--work", "w", "-o", "o", "--phases", "big"])

    assert result.exit_code == 2
    assert "such as 128x6000" in result.output
