import io
import json
from dataclasses import replace

import av
import pytest
from click.testing import CliRunner

from tests.workers.simulate.films import FPS, SIZE, pictures
from workers.simulate.command import simulate
from workers.simulate.film import FilmSettings, film
from workers.simulate.render import RenderSettings, _scene, kept_pool, render_take
from workers.simulate.scenes import scenes_of
from workers.simulate.takes import read_take, sidecars

SETTINGS = RenderSettings("test", fps=4, keyframe_interval_s=0.25, size=(320, 180), short=True)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """The same take, rendered twice into two pools."""
    pytest.importorskip("vizdoom", reason="`pip install 'flagpost[demo]'`")
    pools = [tmp_path_factory.mktemp("pool") for _ in range(2)]
    return pools, [render_take(pool, 3, 11, SETTINGS) for pool in pools]


def keyframe_times(data):
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        packets = [one for one in container.demux(container.streams.video[0]) if one.size]
    assert all(one.pts is not None for one in packets)
    return [round((one.pts or 0) / 90_000, 3) for one in packets if one.is_keyframe], len(packets)


def test_the_same_seed_gives_the_same_truth(rendered):
    _, (first, second) = rendered
    assert first == second
    assert first.incidents


def test_a_take_is_calm_for_two_seconds_at_both_ends(rendered):
    _, (take, _) = rendered
    assert take.incidents[0].start_s >= 2.0
    assert take.incidents[-1].end_s <= take.duration_s - 2.0


def test_a_rendered_take_has_the_frames_and_the_size_its_sidecar_tells(rendered):
    (pool, _), (take, _) = rendered
    assert [read_take(one) for one in sidecars(pool)] == [take]
    with av.open(str(pool / take.file)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == round(take.duration_s * take.fps)
    assert (frames[0].width, frames[0].height) == (take.width, take.height) == (320, 180)
    assert len({frame.to_ndarray().tobytes() for frame in frames}) > len(frames) / 2


def test_a_take_is_played_on_a_scene_of_its_split(rendered):
    _, (take, _) = rendered
    scenes = {(one.wad, one.map, one.scenario) for one in scenes_of("test")}
    assert (take.wad, take.map, take.scenario) in scenes


@pytest.mark.parametrize(("interval_s", "expected"), [(0.5, [0, 0.5, 1, 1.5]), (1.0, [0, 1])])
def test_a_keyframe_falls_at_every_interval(interval_s, expected):
    data = film(pictures(2 * FPS), FilmSettings(*SIZE, float(FPS), interval_s, 30))
    times, packets = keyframe_times(data)
    assert times == expected
    assert packets == 2 * FPS


@pytest.mark.parametrize("fps", [15, 25, 29.97])
def test_keyframes_stay_at_their_times_where_an_interval_is_no_whole_number_of_frames(fps):
    data = film(pictures(round(4 * fps)), FilmSettings(*SIZE, fps, 0.5, 30))
    times, packets = keyframe_times(data)
    assert packets == round(4 * fps)
    assert times == pytest.approx([n / 2 for n in range(8)], abs=1 / fps)
    if fps == round(fps):
        assert times[::2] == [0, 1, 2, 3]


def test_the_render_command_reports_as_json_and_keeps_what_is_there(rendered):
    (pool, _), (take, _) = rendered
    before = (pool / take.file).stat().st_mtime_ns
    words = f"render {pool} --first 3 --takes 1 --seed 11 --fps 4 --short --size 320x180 --json"
    result = CliRunner().invoke(simulate, words.split())
    assert result.exit_code == 0
    assert json.loads(result.stdout.splitlines()[-1])["failed"] == 0
    assert (pool / take.file).stat().st_mtime_ns == before


def test_fast_without_an_end_is_refused():
    result = CliRunner().invoke(simulate, ["--fast"])
    assert result.exit_code == 2
    assert "--duration" in result.output


def test_a_small_pool_shows_every_scene_before_any_twice(tmp_path):
    scenes = [_scene(number, 5, "test") for number in range(len(scenes_of("test")))]
    assert sorted(map(str, scenes)) == sorted(map(str, scenes_of("test")))


def test_takes_of_other_settings_are_kept_apart(tmp_path):
    others = [
        SETTINGS,
        replace(SETTINGS, fps=20.0),
        replace(SETTINGS, flashes=False),
        replace(SETTINGS, size=(640, 360)),
    ]
    assert len({kept_pool(tmp_path, settings) for settings in others}) == len(others)
    assert kept_pool(tmp_path, SETTINGS, seed=5) != kept_pool(tmp_path, SETTINGS)


def test_rendering_leaves_nothing_in_the_current_directory_or_at_home(
    tmp_path, tmp_path_factory, monkeypatch
):
    pytest.importorskip("vizdoom", reason="`pip install 'flagpost[demo]'`")
    (tmp_path / "pool").mkdir()
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    render_take(tmp_path / "pool", 3, 11, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["pool"]
    assert list(home.iterdir()) == []
