import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.workers.simulate.films import SIZE, add_take
from workers.simulate.errors import PoolRejected
from workers.simulate.pool import FillSettings, Pool, PoolFiller
from workers.simulate.takes import read_take, write_take
from workers.simulate.truth import Rule

FILL = FillSettings(
    takes=1, split="test", seed=3, fps=4, size=(320, 180), flashes=True, cpu_share=1.0
)


def test_takes_that_are_added_meanwhile_are_seen_and_none_twice(tmp_path):
    pool = Pool(tmp_path, "test", None)
    assert pool.refresh() == 0
    add_take(tmp_path, "one")
    add_take(tmp_path, "two")
    assert pool.refresh() == 2
    add_take(tmp_path, "three")
    assert pool.refresh() == pool.refresh() == 3


def test_a_film_without_its_truth_is_not_a_take_yet(tmp_path):
    add_take(tmp_path, "one")
    (tmp_path / "one.json").unlink()
    assert Pool(tmp_path, "test", None).refresh() == 0


@pytest.mark.parametrize(
    ("split", "size", "count"),
    [("test", None, 1), ("test", SIZE, 1), ("test", (640, 360), 0), ("train", None, 0)],
)
def test_only_takes_of_the_split_and_size_asked_for_are_played(tmp_path, split, size, count):
    add_take(tmp_path, "one")
    assert Pool(tmp_path, split, size).refresh() == count


def test_takes_under_another_rule_are_refused_with_what_mends_it(tmp_path):
    take = add_take(tmp_path, "one")
    other = take.model_copy(update={"rule": Rule(join_s=9.0)})
    write_take(tmp_path, other, b"film")
    with pytest.raises(PoolRejected, match="another truth rule; remove"):
        Pool(tmp_path, "test", None).refresh()


def test_a_sidecar_that_is_none_is_refused_by_file_and_field(tmp_path):
    (tmp_path / "one.json").write_text('{"take": "one"}')
    with pytest.raises(PoolRejected, match=r"one\.json: field file"):
        read_take(tmp_path / "one.json")


def wait_until(condition, limit_s=20.0):
    deadline_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.02)


def processes_of(directory: Path) -> list[int]:
    """Games whose settings lie in a temporary directory, and whoever renders into it."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and str(directory).encode() in line:
            found.append(int(entry.name))
    return found


@pytest.fixture
def own_temporary_directory(tmp_path, monkeypatch):
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    return tmp_path


def filled(filler: PoolFiller) -> bool:
    filler.poll()
    return filler.done


def test_a_filler_renders_what_is_wanted_and_is_done(own_temporary_directory):
    pytest.importorskip("vizdoom", reason="`pip install 'flagpost[demo]'`")
    directory = own_temporary_directory / "pool"
    pool = Pool(directory, "test", None)
    with PoolFiller(directory, FILL) as filler:
        wait_until(lambda: filled(filler), 60)
    assert pool.refresh() == 1
    assert processes_of(own_temporary_directory) == []


def test_a_filler_that_is_left_early_leaves_no_game_behind(own_temporary_directory):
    pytest.importorskip("vizdoom", reason="`pip install 'flagpost[demo]'`")
    directory = own_temporary_directory / "pool"
    directory.mkdir()
    with PoolFiller(directory, FILL):
        wait_until(lambda: len(processes_of(own_temporary_directory)) > 1)
    wait_until(lambda: processes_of(own_temporary_directory) == [], 5)


_FILLS_FOR_EVER = """
import sys, time
from pathlib import Path
from workers.simulate.pool import FillSettings, PoolFiller
directory = Path(sys.argv[1])
settings = FillSettings(50, "test", 3, 15, (320, 180), True, 1.0)
with PoolFiller(directory, settings):
    time.sleep(600)
"""


def test_a_simulator_that_is_killed_leaves_no_game_behind(own_temporary_directory):
    pytest.importorskip("vizdoom", reason="`pip install 'flagpost[demo]'`")
    directory = own_temporary_directory / "pool"
    directory.mkdir()
    simulator = subprocess.Popen([sys.executable, "-c", _FILLS_FOR_EVER, str(directory)])
    try:
        wait_until(lambda: len(processes_of(own_temporary_directory)) > 2)
    finally:
        os.kill(simulator.pid, signal.SIGKILL)
        simulator.wait()
    wait_until(lambda: processes_of(own_temporary_directory) == [], 10)
