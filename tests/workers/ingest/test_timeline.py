from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.ingest.bitstream import Codec
from workers.ingest.timeline import ArrivalClock, RecordingClock, SourcePacket, Timeline

FRAME = 3000


def packet(pts: int | None, dts: int | None, duration: int = FRAME) -> SourcePacket:
    return SourcePacket(b"x", Codec.H264, False, pts, dts, duration)


def placed(*packets: SourcePacket) -> list[tuple[int, int]]:
    timeline = Timeline()
    return [(one.pts, one.dts) for one in map(timeline.place, packets)]


def test_b_frames_keep_their_distances():
    times = placed(packet(6000, 0), packet(15000, 3000), packet(9000, 6000), packet(12000, 9000))
    first_pts, first_dts = times[0]
    assert [pts - first_pts for pts, _ in times] == [0, 9000, 3000, 6000]
    assert [dts - first_dts for _, dts in times] == [0, 3000, 6000, 9000]


def test_a_clock_that_goes_back_continues_where_it_was():
    timeline = Timeline()
    before = [timeline.place(packet(t, t)) for t in (900_000, 903_000)]
    after = timeline.place(packet(0, 0))
    assert after.dts == before[-1].dts + FRAME
    assert after.follows_gap
    assert timeline.resets == 1


def test_a_gap_stays_a_gap_and_is_marked():
    timeline = Timeline()
    first = timeline.place(packet(0, 0))
    later = timeline.place(packet(20 * 90_000, 20 * 90_000))
    assert later.dts - first.dts == 20 * 90_000
    assert later.follows_gap


def test_a_new_connection_goes_on_after_the_last_packet():
    timeline = Timeline()
    last = timeline.place(packet(5_000_000, 5_000_000))
    timeline.restart()
    assert timeline.place(packet(7, 7)).dts == last.dts + FRAME


def test_times_that_rtsp_leaves_out_are_filled_in():
    times = placed(
        packet(None, None),
        packet(9000, None),
        packet(3000, None),
        packet(6000, None),
        packet(18000, 12000),
    )
    assert all(pts >= dts for pts, dts in times)
    assert [pts - times[0][0] for pts, _ in times] == [0, 9000, 3000, 6000, 18000]


@given(
    st.lists(
        st.tuples(
            st.none() | st.integers(-(2**33), 2**33), st.none() | st.integers(-(2**33), 2**33)
        ),
        max_size=60,
    )
)
def test_whatever_comes_decode_time_grows_and_is_never_after_its_picture(times):
    timeline = Timeline()
    out = [timeline.place(packet(pts, dts)) for pts, dts in times]
    assert all(one.dts < other.dts for one, other in pairwise(out))
    assert all(one.pts >= one.dts > 0 for one in out)


def test_a_recording_counts_from_its_start():
    clock = RecordingClock(1000.0)
    clock.note(5.0, 99_999.0)
    assert clock.captured_s(3.0) - clock.captured_s(1.0) == 2.0
    assert clock.captured_s(1.0) == 1000.0


def test_a_burst_is_not_dated_into_the_future():
    clock = ArrivalClock(settle_s=0.4)
    for number in range(60):  # six seconds of video arrive in 60 ms
        clock.note(number * 0.1, 100.0 + number * 0.001)
    assert not clock.is_settled(100.06)
    assert clock.is_settled(100.5)
    assert clock.captured_s(5.9) <= 100.06


def test_a_late_packet_does_not_move_the_clock():
    clock = ArrivalClock(settle_s=0.0)
    clock.note(0.0, 100.0)
    clock.note(1.0, 103.5)
    assert clock.captured_s(1.0) == 101.0


def test_times_given_out_never_run_backwards():
    clock = ArrivalClock(settle_s=0.0)
    clock.note(0.0, 100.0)
    assert clock.captured_s(4.0) == 104.0
    clock.note(5.0, 101.0)
    assert clock.captured_s(5.0) == 104.0


def test_a_slow_source_clock_is_followed_over_the_window():
    clock = ArrivalClock(settle_s=0.0, window_s=10.0)
    for second in range(100):  # the source counts 1 % too slowly
        clock.note(second * 0.99, 100.0 + second)
    assert clock.captured_s(99 * 0.99) == pytest.approx(199.0, abs=0.25)
