"""Files are scored as streams are, a bad file is a line of its own, and a crash is none of ours."""

import json

import pytest

from engines.decision import IncidentRule, Look
from tests.bundles import write_tiny_bundle
from tests.media import CALM, RED, audio_only, picture, picture_bomb, segment
from tests.workers.operations.commands import run
from workers.errors import ConfigurationRejected
from workers.score.result import clip_score, incidents_of

RULE = IncidentRule(3, 0.8, 0.4, 5.0, 2.0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return str(write_tiny_bundle(tmp_path_factory.mktemp("bundle")))


@pytest.fixture
def scored(tmp_path, bundle):
    """Scores contents of files; gives the exit code and the JSON lines by file name."""

    def score(*options, **files):
        paths = []
        for name, data in files.items():
            path = tmp_path / name.replace("_", ".")
            path.write_bytes(data)
            paths.append(str(path))
        answer = run("score", *paths, "--bundle", bundle, "--json", *options)
        return answer.code, [json.loads(line) for line in answer.text.splitlines()]

    return score


def film(gop):
    """Twelve seconds, of which the fifth to the ninth are red."""
    return segment((CALM,) * 40 + (RED,) * 40 + (CALM,) * 40, fps=10, gop=gop, format_name="mp4")


@pytest.mark.parametrize("gop", [5, 120, 1])
def test_a_red_stretch_is_one_incident_whatever_the_keyframes(scored, gop):
    code, (line,) = scored(film_mp4=film(gop))
    assert code == 0
    assert line["frames"] == 24
    assert line["score"] > 0.99
    (incident,) = line["incidents"]
    assert incident["start_s"] == pytest.approx(4.0, abs=0.2)
    assert incident["end_s"] == pytest.approx(8.0, abs=0.6)
    assert set(line) == {"file", "score", "frames", "incidents", "error"}
    assert line["error"] is None


def test_the_rate_of_looks_can_be_chosen(scored):
    _, (line,) = scored("--looks-per-second", "5", film_mp4=film(120))
    assert line["frames"] == 60


def test_bad_files_are_errors_on_their_lines_and_good_ones_are_scored(scored):
    calm = segment((CALM,) * 20)
    files = {
        "a_ts": calm,
        "empty_mp4": b"",
        "noise_mp4": bytes(range(256)) * 40,
        "sound_ts": audio_only(),
        "cut_mp4": film(5)[:300],
        "bomb_png": picture_bomb(),
        "half_png": picture("PNG", size=(300, 300))[:200],
        "z_ts": calm,
    }
    code, lines = scored(**files)
    assert code == 1
    assert [line["error"] is None for line in lines] == [True, *[False] * 6, True]
    assert "no video" in lines[3]["error"]
    assert "pixels" in lines[5]["error"]
    assert all(line["score"] is None and line["frames"] == 0 for line in lines[1:-1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_one_frame(scored, kind):
    code, (line,) = scored(picture=picture(kind))
    assert (code, line["frames"], line["incidents"]) == (0, 1, [])
    assert line["score"] > 0.99


@pytest.mark.parametrize("codec", ["mpeg4", "mpeg2video"])
def test_films_in_older_codecs_are_scored_too(scored, codec):
    code, (line,) = scored(film_avi=segment((RED,) * 20, fps=25, codec=codec, format_name="avi"))
    assert (code, line["error"]) == (0, None)
    assert line["frames"] == 2


def test_a_raw_stream_without_times_runs_on_its_frame_rate(scored):
    code, (line,) = scored(film_h264=segment((CALM,) * 50, fps=25, gop=25, format_name="h264"))
    assert (code, line["error"]) == (0, None)
    assert line["frames"] == 4


def test_a_playlist_cannot_name_another_file(scored, tmp_path):
    (tmp_path / "secret.ts").write_bytes(segment((RED,) * 20))
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n"
    code, (line,) = scored(list_m3u8=playlist.encode())
    assert code == 1
    assert line["frames"] == 0


def test_a_missing_file_is_an_error_on_its_line(bundle):
    answer = run("score", "/no/such.mp4", "--bundle", bundle, "--json")
    assert answer.code == 1
    assert answer.document()["error"] == "such.mp4: No such file or directory"


def test_an_empty_file_says_that_it_is_empty(tmp_path, bundle):
    path = tmp_path / "none[blue].mp4"  # a name that looks like markup
    path.touch()
    assert (
        run("score", str(path), "--bundle", bundle, "--json")
        .document()["error"]
        .endswith("the file is empty")
    )
    assert "none[blue].mp4" in run("score", str(path), "--bundle", bundle).text


def test_a_plot_that_cannot_be_written_is_said_before_anything_is_scored(tmp_path, bundle):
    pytest.importorskip("matplotlib")
    with pytest.raises(ConfigurationRejected, match="there is no folder"):
        run("score", "/no/such.mp4", "--bundle", bundle, "--plot", str(tmp_path / "no" / "s.png"))


def test_without_json_it_prints_a_table(tmp_path, bundle):
    path = tmp_path / "red.ts"
    path.write_bytes(segment((RED,) * 20))
    assert "red.ts" in run("score", str(path), "--bundle", bundle).text


def test_the_plot_is_a_picture(tmp_path, bundle):
    pytest.importorskip("matplotlib")
    path, target = tmp_path / "film.mp4", tmp_path / "score.png"
    path.write_bytes(film(120))
    run("score", str(path), "--bundle", bundle, "--plot", str(target))
    assert target.read_bytes().startswith(b"\x89PNG")


def test_a_bundle_that_is_none_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigurationRejected, match="neither a directory nor one of"):
        run("score", "x.mp4", "--bundle", str(tmp_path / "none"))


def looks(*scores):
    return [Look(0.5 * number, score) for number, score in enumerate(scores)]


def test_the_clip_score_is_the_highest_median_of_the_window():
    assert clip_score(looks(0.1, 0.9, 0.2, 0.8, 0.7), RULE) == 0.8
    assert clip_score(looks(0.1, 0.1, 1.0, 0.1), RULE) == 0.1


def test_fewer_looks_than_the_window_are_scored_by_their_own_median():
    assert clip_score(looks(0.6), RULE) == 0.6
    assert clip_score([], RULE) is None


def test_two_stretches_beyond_the_cooldown_are_two_incidents():
    calm, red = [0.1] * 10, [0.9] * 5
    found = incidents_of(looks(*red, *calm, *red), RULE)
    assert [(i.start_s, i.end_s) for i in found] == [(0.0, 2.5), (7.5, 9.5)]
