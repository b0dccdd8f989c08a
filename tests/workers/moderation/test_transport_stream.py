"""What is cut out by hand is what libav's demuxer finds; what is not plain is left to it."""

import io
import random

import av
import pytest

from tests import media
from workers.moderation.transport_stream import (
    CLOCK_HZ,
    PACKET_BYTES,
    KeyframeUnit,
    keyframe_units,
    video_packets,
)

LONG = media.segment((media.CALM,) * 40, fps=10, gop=5)


def units_of(
    data: bytes, interval_s: float = 0.0, most: int = 64
) -> tuple[KeyframeUnit, ...] | None:
    video = video_packets(data)
    return None if video is None else keyframe_units(video, interval_s, most)


def some_units_of(data: bytes, interval_s: float = 0.0, most: int = 64) -> tuple[KeyframeUnit, ...]:
    units = units_of(data, interval_s, most)
    assert units is not None
    return units


def demuxed(data: bytes) -> list[tuple[float, bytes]]:
    """Keyframes by libav's demuxer: seconds after the first picture, access unit."""
    with av.open(io.BytesIO(data), "r", format="mpegts") as container:
        packets = [(p.pts, p) for p in container.demux(video=0) if p.pts is not None]
    first = packets[0][0]
    return [((pts - first) / CLOCK_HZ, bytes(p)) for pts, p in packets if p.is_keyframe]


@pytest.mark.parametrize(
    "data",
    [LONG, media.segment(codec="libx265"), media.segment(sound=True)],
    ids=["h264", "hevc", "sound"],
)
def test_units_and_their_times_are_those_of_libav(data):
    units = some_units_of(data)

    assert [unit.data for unit in units] == [unit for _, unit in demuxed(data)]
    assert [unit.pts_s for unit in units] == pytest.approx([at_s for at_s, _ in demuxed(data)])


def test_units_are_thinned_to_an_interval_and_a_number():
    assert [unit.pts_s for unit in some_units_of(LONG, 0.9)] == pytest.approx([0, 1, 2, 3])
    assert len(some_units_of(LONG, 0.0, most=2)) == 2


def test_time_goes_on_when_the_clock_of_33_bits_wraps():
    ticks = (1 << 33) - 90_000
    wrapped = bytearray(LONG)
    for at in range(0, len(LONG), PACKET_BYTES):
        start = LONG.find(b"\0\0\1\xe0", at, at + PACKET_BYTES)
        if LONG[at + 1] & 0x40 and start > 0:
            stamp = slice(start + 9, start + 14)
            wrapped[stamp] = stamped(LONG[stamp], ticks)

    assert [unit.pts_s for unit in some_units_of(bytes(wrapped))] == pytest.approx(
        [unit.pts_s for unit in some_units_of(LONG)]
    )


def stamped(stamp: bytes, more: int) -> bytes:
    """A presentation time (ISO/IEC 13818-1, 2.4.3.7) so many ticks later."""
    bits = int.from_bytes(stamp)
    now = (bits >> 33 & 7) << 30 | (bits >> 17 & 0x7FFF) << 15 | bits >> 1 & 0x7FFF
    then = (now + more) % (1 << 33)
    fields = (then >> 30) << 33 | (then >> 15 & 0x7FFF) << 17 | (then & 0x7FFF) << 1
    return (bits & 0xF_0001_0001 | fields).to_bytes(5)


def without_tables(data: bytes) -> bytes:
    packets = [data[at : at + PACKET_BYTES] for at in range(0, len(data), PACKET_BYTES)]
    return b"".join(p for p in packets if int.from_bytes(p[1:3]) & 0x1FFF)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        without_tables,
        lambda data: data[: 5 * PACKET_BYTES] + data[6 * PACKET_BYTES :],
        lambda data: media.segment(size=(320, 180), format_name="mp4"),
        lambda data: b"",
    ],
    ids=["cut", "no tables", "a packet lost in a keyframe", "another container", "empty"],
)
def test_a_stream_that_is_not_plain_is_left_to_the_demuxer(damage):
    assert units_of(damage(media.segment(size=(1280, 720)))) is None


def test_random_damage_raises_nothing():
    rng = random.Random(0)
    for _ in range(300):
        data = bytearray(LONG)
        for _ in range(rng.choice((1, 20, 400))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        units_of(bytes(data))
