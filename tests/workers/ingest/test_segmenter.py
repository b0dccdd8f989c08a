from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workers.ingest.bitstream import Codec
from workers.ingest.keyframes import KeyframePicker
from workers.ingest.segmenter import DropReason, Segment, Segmenter
from workers.ingest.timeline import EncodedPacket

FRAME = 3000
START = b"\x00\x00\x00\x01"
SMALL, LARGE = START + b"\x67small", START + b"\x67large"
PPS = START + b"\x68p"


def packet(
    number: int,
    key: bool = False,
    size: int = 500,
    sets: bytes = SMALL + PPS,
    follows_gap: bool = False,
    codec: Codec = Codec.H264,
) -> EncodedPacket:
    picture = START + (b"\x65" if key else b"\x41") + bytes([1 + number % 250]) * size
    time = 90_000 + number * FRAME
    return EncodedPacket(
        (sets if key else b"") + picture, codec, key, time, time, FRAME, follows_gap
    )


def cut(cutter: Segmenter | KeyframePicker, *packets: EncodedPacket) -> list[Segment]:
    found = [cutter.push(one) for one in packets]
    return [segment for segment in [*found, cutter.flush()] if segment is not None]


def stream(count: int, gop: int, **changes: object) -> list[EncodedPacket]:
    return [packet(n, key=n % gop == 0, **changes) for n in range(count)]  # type: ignore[arg-type]


def test_segments_end_at_the_keyframe_near_the_wanted_duration():
    segments = cut(Segmenter(2.0, 10**6), *stream(180, gop=30))
    assert [len(segment.packets) for segment in segments] == [60, 60, 60]
    assert all(segment.keyframe.is_keyframe for segment in segments)


def test_a_keyframe_a_little_early_is_taken():
    segments = cut(Segmenter(2.0, 10**6), *stream(174, gop=29))
    assert [len(segment.packets) for segment in segments] == [58, 58, 58]


def test_segments_follow_each_other_without_a_gap():
    segments = cut(Segmenter(1.0, 10**6), *stream(120, gop=30))
    assert all(one.ends == other.starts for one, other in pairwise(segments))


def test_a_long_group_of_pictures_makes_a_long_segment():
    segments = cut(Segmenter(2.0, 10**7), *stream(600, gop=300))
    assert [segment.duration.total_seconds() for segment in segments] == [10.0, 10.0]


def test_what_comes_before_the_first_keyframe_is_dropped_and_counted():
    cutter = Segmenter(1.0, 10**6)
    segments = cut(cutter, *(packet(n) for n in range(7)), *stream(30, gop=30))
    assert [len(segment.packets) for segment in segments] == [30]
    assert cutter.dropped == {DropReason.NO_KEYFRAME: 7}


def test_a_keyframe_without_parameter_sets_opens_nothing():
    cutter = Segmenter(1.0, 10**6)
    assert cut(cutter, packet(0, key=True, sets=b""), packet(1)) == []
    assert cutter.dropped == {DropReason.NO_PARAMETERS: 1, DropReason.NO_KEYFRAME: 1}


def test_parameter_sets_seen_before_are_put_in_front_of_a_keyframe_that_lacks_them():
    cutter = Segmenter(1.0, 10**6)
    segments = cut(
        cutter, packet(0, key=True), *(packet(n) for n in range(1, 30)), packet(30, True, sets=b"")
    )
    assert segments[1].keyframe.data.startswith(SMALL + PPS)


def test_a_new_size_starts_a_segment_at_once():
    segments = cut(
        Segmenter(2.0, 10**6),
        packet(0, key=True),
        packet(1),
        packet(2, key=True, sets=LARGE + PPS),
        packet(3),
    )
    assert [len(segment.packets) for segment in segments] == [2, 2]


def test_a_new_codec_starts_a_segment_at_once():
    sequence = START + b"\x42\x01\x01"
    segments = cut(
        Segmenter(2.0, 10**6),
        packet(0, key=True),
        packet(1, key=True, sets=sequence, codec=Codec.HEVC),
    )
    assert [segment.codec for segment in segments] == [Codec.H264, Codec.HEVC]


def test_a_gap_ends_the_segment_and_waits_for_a_keyframe():
    cutter = Segmenter(9.0, 10**6)
    segments = cut(
        cutter,
        *stream(10, gop=30),
        packet(400, follows_gap=True),
        packet(401),
        packet(402, key=True),
    )
    assert [len(segment.packets) for segment in segments] == [10, 1]
    assert cutter.dropped == {DropReason.NO_KEYFRAME: 2}


def test_more_bytes_than_a_message_holds_are_split_at_the_next_keyframe():
    segments = cut(Segmenter(4.0, 50_000), *stream(120, gop=30))
    assert [len(segment.packets) for segment in segments] == [60, 60]


def test_without_a_keyframe_a_segment_ends_at_the_limit_and_the_rest_is_dropped():
    cutter = Segmenter(2.0, 30_000)
    segments = cut(cutter, *stream(90, gop=1000), packet(90, key=True))
    assert [segment.keyframe.pts for segment in segments] == [90_000, 90_000 + 90 * FRAME]
    assert len(segments[0].packets) + cutter.dropped[DropReason.NO_KEYFRAME] == 90


def test_a_segment_ends_at_the_time_limit_too():
    segments = cut(Segmenter(1.0, 10**7, limit_s=5.0), *stream(300, gop=1000))
    assert [round(segment.duration.total_seconds(), 1) for segment in segments] == [5.0]


def test_a_keyframe_larger_than_a_message_is_dropped_with_its_reason():
    cutter = Segmenter(1.0, 20_000)
    segments = cut(cutter, packet(0, key=True, size=50_000), packet(1), packet(2, key=True))
    assert [segment.keyframe.pts for segment in segments] == [90_000 + 2 * FRAME]
    assert cutter.dropped == {DropReason.TOO_LARGE: 1, DropReason.NO_KEYFRAME: 1}


def test_the_picker_gives_one_keyframe_an_interval_at_once():
    picker = KeyframePicker(2.0, 10**6)
    segments = cut(picker, *stream(180, gop=30))
    assert [segment.starts - 90_000 for segment in segments] == [0, 180_000, 360_000]
    assert all(len(segment.packets) == 1 for segment in segments)


def test_the_picker_gives_a_keyframe_of_a_new_size_before_its_time():
    picker = KeyframePicker(10.0, 10**6)
    assert len(cut(picker, packet(0, True), packet(1, True, sets=LARGE + PPS))) == 2


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(1, 40_000), st.booleans(), st.booleans()), max_size=80
    )
)
def test_every_packet_is_in_one_segment_or_counted_and_no_segment_is_too_large(spec):
    cutter = Segmenter(1.0, 60_000)
    packets = [
        packet(n, key, size, LARGE + PPS if big else SMALL + PPS, gap)
        for n, (key, size, big, gap) in enumerate(spec)
    ]
    segments = cut(cutter, *packets)
    kept = sum(len(segment.packets) for segment in segments)
    assert kept + cutter.dropped.total() == len(packets)
    assert all(segment.keyframe.is_keyframe for segment in segments)
    assert all(sum(len(p.data) for p in segment.packets) < 60_000 for segment in segments)
