"""Hostile or broken media ends in a reason that a person understands; good media in frames."""

import random

import pytest

from schemas.frames import ContentType
from tests import media
from workers.errors import DeadLettered
from workers.moderation.decode import DecodeLimits, decode_looks

LIMITS = DecodeLimits(max_pixels=1920 * 1080, time_limit_s=5.0)
TS = ContentType.MPEG_TS


def refusal(data: bytes, content_type: ContentType = TS, limits: DecodeLimits = LIMITS) -> str:
    with pytest.raises(DeadLettered) as caught:
        decode_looks(data, content_type, 2.0, limits)
    assert len(caught.value.detail) > 10, "a person must understand why"
    return caught.value.reason


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        (ContentType.MPEG_TS, media.segment()),
        (ContentType.FRAGMENTED_MP4, media.segment(format_name="mp4")),
        (ContentType.MPEG_TS, media.segment(codec="libx265")),
        (ContentType.H264, media.access_unit()),
        (ContentType.JPEG, media.picture("JPEG")),
        (ContentType.PNG, media.picture("PNG")),
        (ContentType.WEBP, media.picture("WEBP")),
    ],
    ids=["ts", "mp4", "hevc", "access unit", "jpeg", "png", "webp"],
)
def test_every_content_type_gives_at_least_one_look(content_type, data):
    assert decode_looks(data, content_type, 2.0, LIMITS).frames[0].pts_s == 0.0


def test_keyframes_are_taken_at_the_wanted_rate_and_the_rest_is_counted():
    data = media.segment((media.CALM,) * 40, fps=10, gop=2)
    decoded = decode_looks(data, TS, 1.0, LIMITS)
    assert [round(frame.pts_s, 1) for frame in decoded.frames] == [0.0, 1.0, 2.0, 3.0]
    assert decoded.keyframes == 20


def test_a_segment_with_fewer_keyframes_than_wanted_gives_those_it_has():
    decoded = decode_looks(media.segment((media.CALM,) * 20, gop=20), TS, 10.0, LIMITS)
    assert len(decoded.frames) == 1


def test_the_size_may_change_from_segment_to_segment_of_one_medium():
    both = media.segment(size=(320, 180)) + media.segment(size=(640, 360))
    assert decode_looks(both, TS, 2.0, LIMITS).frames


def outcome(data: bytes, content_type: ContentType = TS) -> str:
    try:
        decode_looks(data, content_type, 2.0, LIMITS)
    except DeadLettered as refused:
        return refused.reason
    return "decoded"


@pytest.mark.parametrize("share", [0.001, 0.01, 0.1, 0.5, 0.9])
def test_truncated_media_gives_what_is_left_or_a_reason(share):
    data = media.segment()
    reasons = {"decoded", "undecodable", "no-keyframe", "no-video", "content-type-mismatch"}
    assert outcome(data[: int(len(data) * share) + 1]) in reasons


def test_an_empty_message_is_refused():
    assert refusal(b"") == "empty"


def test_a_segment_without_a_keyframe_is_refused():
    assert refusal(media.without_keyframe()) == "no-keyframe"


def test_sound_without_video_is_refused():
    assert refusal(media.audio_only()) == "audio-only"


def test_a_header_that_lies_about_the_media_is_refused():
    assert refusal(media.picture("JPEG"), TS) == "content-type-mismatch"
    assert refusal(media.segment(), ContentType.JPEG) == "content-type-mismatch"
    assert refusal(media.segment(), ContentType.H264) == "content-type-mismatch"


@pytest.mark.parametrize(
    "playlist",
    [
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"#EXTM3U\n#EXTINF:2,\nhttp://169.254.169.254/x.ts\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
    ids=["ffconcat", "m3u8", "sdp"],
)
def test_a_playlist_in_place_of_media_opens_nothing(playlist):
    assert refusal(playlist * 50) == "content-type-mismatch"
    assert refusal(playlist * 50, ContentType.FRAGMENTED_MP4) == "content-type-mismatch"


def test_a_huge_picture_is_refused_before_it_is_decoded():
    assert refusal(media.picture_bomb(), ContentType.PNG) == "too-many-pixels"


def test_video_over_the_pixel_limit_is_refused():
    small = DecodeLimits(max_pixels=100 * 100, time_limit_s=5.0)
    assert refusal(media.segment(), limits=small) == "too-many-pixels"
    assert refusal(media.access_unit(), ContentType.H264, small) in {
        "too-many-pixels",
        "undecodable",
    }


def test_a_segment_that_takes_too_long_is_refused():
    assert refusal(media.segment(), limits=DecodeLimits(10**7, -1.0)) == "time-limit"


def test_mutated_media_never_raises_anything_else():
    chance, seeds = random.Random(5), [media.segment(), media.segment(format_name="mp4")]
    for number in range(150):
        data = bytearray(seeds[number % 2])
        for _ in range(chance.randint(1, 40)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        content_type = ContentType.FRAGMENTED_MP4 if number % 2 else TS
        assert outcome(bytes(data[: chance.randint(1, len(data))]), content_type)
