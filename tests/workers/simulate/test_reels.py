import av
import pytest

from tests.workers.simulate.films import ordinary_file
from workers.simulate.errors import PoolRejected
from workers.simulate.reels import reel_from_file
from workers.simulate.segments import segments


def plays(reel):
    return sum(one.frames for one in segments(reel.path, 0.0, 1.0, reel.duration_s))


def test_h264_with_regular_keyframes_plays_as_it_is(tmp_path):
    path = ordinary_file(tmp_path / "clip.mp4")
    reel = reel_from_file(path, tmp_path)
    assert reel.path == path
    assert reel.duration_s == pytest.approx(65 / 25, abs=0.001)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("rare-keyframes.mp4", {"keyframes_every": 250, "frames": 80}),
        ("other-codec.mp4", {"codec": "mpeg4"}),
        ("no-decode-times.mkv", {}),
    ],
)
def test_anything_else_is_transcoded_once_and_loses_no_frame(tmp_path, name, how):
    path = ordinary_file(tmp_path / name, **how)
    reel = reel_from_file(path, tmp_path)
    assert reel.path != path
    assert plays(reel) == how.get("frames", 65)


def test_an_ordinary_file_has_no_incidents(tmp_path):
    reel = reel_from_file(ordinary_file(tmp_path / "clip.mp4"), tmp_path)
    assert not reel.incidents
    assert not reel.ambiguous


def test_a_file_without_video_is_refused_by_name(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(path, "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame(format="s16", layout="mono", samples=800)
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(PoolRejected, match=r"sound\.wav: has no video"):
        reel_from_file(path, tmp_path)


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no video")
    with pytest.raises(PoolRejected, match=r"notes\.txt"):
        reel_from_file(path, tmp_path)
