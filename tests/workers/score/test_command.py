"""`flagpost score` scores what it can and says what is wrong with the rest."""

import json

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests import media
from tests.bundles import write_tiny_bundle
from workers.score.command import score

CALM_RED_CALM = (media.CALM,) * 20 + (media.RED,) * 30 + (media.CALM,) * 30


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return str(write_tiny_bundle(tmp_path_factory.mktemp("bundle")))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("video") / "fight.mp4"
    path.write_bytes(media.segment(CALM_RED_CALM, gop=80, format_name="mp4"))
    return path


def run(bundle: str, *arguments: str) -> Result:
    return CliRunner().invoke(score, ["--bundle", bundle, "--backend", "onnxruntime", *arguments])


def lines(result: Result) -> list[dict]:
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def test_incidents_come_with_their_times_whatever_the_distance_of_keyframes(bundle, video):
    (line,) = lines(run(bundle, "--json", str(video)))
    (incident,) = line["incidents"]
    assert (incident["start_s"], incident["end_s"]) == (2.0, 5.0)
    assert line["score"] > 0.9
    assert line["frames"] == 16
    assert line["error"] is None


def test_a_bad_file_is_an_error_on_its_line_and_not_the_end(bundle, video, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video" * 100)
    (tmp_path / "silence.ts").write_bytes(media.audio_only())
    names = [str(tmp_path / "bad.mp4"), str(tmp_path / "none.mp4"), str(tmp_path / "silence.ts")]
    result = run(bundle, "--json", *names, str(video))
    found = lines(result)
    assert [bool(line["error"]) for line in found] == [True, True, True, False]
    assert "No such file" in found[1]["error"]
    assert "sound" in found[2]["error"]
    assert result.exit_code == 1


def test_a_picture_is_one_frame(bundle, tmp_path):
    (tmp_path / "red.jpg").write_bytes(media.picture("JPEG"))
    (line,) = lines(run(bundle, "--json", str(tmp_path / "red.jpg")))
    assert (line["frames"], line["score"] > 0.9) == (1, True)


def test_the_plot_is_a_picture(bundle, video, tmp_path):
    target = tmp_path / "score.png"
    assert run(bundle, str(video), "--plot", str(target)).exit_code == 0
    with Image.open(target) as picture:
        assert picture.width > 800


def test_an_unknown_bundle_names_the_shipped_ones(video):
    result = CliRunner().invoke(score, ["--bundle", "nothing", str(video)])
    assert "neither a directory nor one of" in str(result.exception)
