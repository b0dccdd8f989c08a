"""A partition that should move and does not is noticed once per limit."""

from workers.moderation.watchdog import FetchWatch
from workers.moderation.watermark import Partition

P, Q = Partition("frames", 0), Partition("frames", 1)


def test_a_partition_that_stands_still_before_its_end_is_stuck_after_the_limit():
    watch = FetchWatch(limit_s=20)
    assert watch.stuck({P: (5, 9)}, 0.0) == []
    assert watch.stuck({P: (5, 9)}, 19.9) == []
    assert watch.stuck({P: (5, 12)}, 20.0) == [P]


def test_a_partition_is_named_once_per_limit():
    watch = FetchWatch(limit_s=20)
    watch.stuck({P: (5, 9)}, 0.0)
    assert watch.stuck({P: (5, 9)}, 20.0) == [P]
    assert watch.stuck({P: (5, 9)}, 39.0) == []
    assert watch.stuck({P: (5, 9)}, 40.0) == [P]


def test_a_partition_that_moves_is_not_stuck():
    watch = FetchWatch(limit_s=20)
    assert [watch.stuck({P: (at, 900)}, float(at)) for at in range(0, 100, 10)] == [[]] * 10


def test_a_partition_that_is_read_to_its_end_is_not_stuck():
    watch = FetchWatch(limit_s=20)
    watch.stuck({P: (9, 9), Q: (1, 2)}, 0.0)
    assert watch.stuck({P: (9, 9), Q: (2, 2)}, 60.0) == []


def test_time_while_paused_does_not_count():
    watch = FetchWatch(limit_s=20)
    watch.stuck({P: (5, 9)}, 0.0)
    watch.forget()
    assert watch.stuck({P: (5, 9)}, 60.0) == []


def test_a_partition_that_went_and_came_back_starts_anew():
    watch = FetchWatch(limit_s=20)
    watch.stuck({P: (5, 9)}, 0.0)
    watch.stuck({}, 10.0)
    assert watch.stuck({P: (5, 9)}, 21.0) == []
