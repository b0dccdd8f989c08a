import io
from itertools import pairwise

import av
import pytest

from tests.workers.simulate.films import FPS, SIZE, add_take, ordinary_file, pictures
from workers.simulate.errors import PoolRejected
from workers.simulate.film import FilmSettings, film
from workers.simulate.reels import reel_from_file
from workers.simulate.segments import segments


def packets(data):
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        return [
            (packet.pts / 90_000, (packet.dts or 0) / 90_000, packet.is_keyframe)
            for packet in container.demux(container.streams.video[0])
            if packet.pts is not None
        ]


def pictures_in(data):
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        return len(list(container.decode(video=0)))


def laps(path, duration_s, count=2):
    """The same file joined to itself."""
    return [
        segment
        for lap in range(count)
        for segment in segments(path, lap * duration_s, 1.0, duration_s)
    ]


@pytest.fixture
def take_file(tmp_path):
    take = add_take(tmp_path, "take", seconds=3.4)
    return tmp_path / take.file, take.duration_s


def test_a_segment_begins_with_a_keyframe_and_decodes_alone(take_file):
    for segment in laps(*take_file):
        assert packets(segment.data)[0][2]
        assert pictures_in(segment.data) == segment.frames


def test_no_frame_is_lost_or_doubled_in_cutting(take_file):
    path, duration_s = take_file
    cut = list(segments(path, 0.0, 1.0, duration_s))
    assert sum(segment.frames for segment in cut) == round(duration_s * FPS)


def test_timestamps_go_on_over_the_join_of_two_takes(take_file):
    times = [time for segment in laps(*take_file) for time, _, _ in packets(segment.data)]
    steps = [after - before for before, after in pairwise(times)]
    assert steps == pytest.approx([1 / FPS] * len(steps), abs=2 / 90_000)


def test_a_segment_ends_where_the_next_begins(take_file):
    cut = laps(*take_file)
    for before, after in pairwise(cut):
        assert before.start_s + before.duration_s == pytest.approx(after.start_s)


@pytest.mark.parametrize("target_s", [0.5, 1.0])
def test_segments_last_as_long_as_asked_where_keyframes_come_late(tmp_path, target_s):
    path = tmp_path / "take.ts"
    path.write_bytes(film(pictures(100), FilmSettings(*SIZE, 25.0, 0.5, 30)))
    cut = list(segments(path, 0.0, target_s, 4.0))
    assert len(cut) == round(4 / target_s)
    assert [one.duration_s for one in cut] == pytest.approx([target_s] * len(cut), abs=1.01 / 25)


def test_reordered_pictures_keep_their_times_from_the_first_segment_on(tmp_path):
    reel = reel_from_file(ordinary_file(tmp_path / "clip.mp4"), tmp_path)
    cut = laps(reel.path, reel.duration_s)
    decoding = [dts for segment in cut for _, dts, _ in packets(segment.data)]
    assert decoding == sorted(set(decoding))
    showing = sorted(pts for segment in cut for pts, _, _ in packets(segment.data))
    steps = [after - before for before, after in pairwise(showing)]
    assert steps == pytest.approx([1 / 25] * len(steps), abs=2 / 90_000)


def test_a_file_that_is_no_video_is_refused_by_name(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no video")
    with pytest.raises(PoolRejected, match=r"notes\.txt"):
        list(segments(path, 0.0, 1.0, 1.0))
