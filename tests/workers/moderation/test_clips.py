"""A clip is the encoded video itself, playable, from a keyframe on; pictures are plain JPEGs."""

import io

import av
import numpy as np
import pytest
from PIL import Image

from schemas.frames import ContentType
from tests import media
from workers.errors import DeadLettered
from workers.moderation.clips import Part, Remuxed, pictures_at, remux
from workers.moderation.decode import DecodeLimits

LIMITS = DecodeLimits(1920 * 1080, 5.0)
TS = ContentType.MPEG_TS


def parts(*data: bytes) -> list[Part]:
    return [Part(one, TS, float(number)) for number, one in enumerate(data)]


def remuxed(*data: bytes) -> Remuxed:
    made = remux(parts(*data), LIMITS.max_pixels)
    assert made is not None
    return made


def frames_of(video: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(video), "r") as container:
        return list(container.decode(video=0))


def test_segments_become_one_playable_clip_with_a_continuous_clock():
    clip = remuxed(*[media.segment()] * 3)
    frames = frames_of(clip.video)
    times = [float(frame.time or 0) for frame in frames]
    assert frames[0].key_frame
    assert len(frames) == 30
    assert times == sorted(times)
    assert (clip.starts_s, round(clip.ends_s, 2)) == (0.0, 3.0)


def test_nothing_is_encoded_again():
    data = media.segment()
    clip = remuxed(data)
    with av.open(io.BytesIO(data), "r") as source, av.open(io.BytesIO(clip.video), "r") as copy:
        first, second = next(source.decode(video=0)), next(copy.decode(video=0))
    assert (first.to_ndarray() == second.to_ndarray()).all()


def test_a_change_of_size_begins_the_clip_after_it():
    clip = remuxed(media.segment(size=(320, 180)), media.segment(size=(640, 360)))
    assert clip.starts_s == 1.0
    assert {frame.width for frame in frames_of(clip.video)} == {640}


def test_single_keyframes_make_no_clip():
    assert remux([Part(media.access_unit(), ContentType.H264, 0.0)], 10**7) is None


def test_a_clip_of_garbage_is_refused():
    with pytest.raises(DeadLettered):
        remux(parts(b"\x47" + b"x" * 500), 10**7)


def test_a_picture_is_a_small_jpeg_of_the_wanted_moment():
    data = media.segment((media.CALM,) * 5 + (media.RED,) * 5, size=(1280, 720))
    (jpeg,) = pictures_at(Part(data, TS, 0.0), [0.5], LIMITS)
    with Image.open(io.BytesIO(jpeg)) as found:
        assert found.size == (640, 360)
        red, green, _ = np.asarray(found.convert("RGB"))[180, 320]
        assert red > 150 > green
        assert not found.getexif()


def test_pictures_of_one_part_come_in_the_order_asked_for():
    data = media.segment((media.CALM,) * 5 + (media.RED,) * 5)
    jpegs = pictures_at(Part(data, TS, 0.0), [0.0, 0.5, 0.0], LIMITS)
    reds = []
    for jpeg in jpegs:
        with Image.open(io.BytesIO(jpeg)) as found:
            reds.append(int(np.asarray(found.convert("RGB"))[5, 5, 0]) > 150)
    assert reds == [False, True, False]
