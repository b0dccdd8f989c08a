"""An offset is committed only when nothing before it can be lost."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.moderation.watermark import OffsetLedger, Partition

P = Partition("frames", 0)


def test_nothing_is_committed_while_the_oldest_offset_is_open():
    ledger = OffsetLedger()
    for offset in (3, 4):
        ledger.deliver(P, offset, 1)
    ledger.finish(P, 4, 1)
    assert ledger.news() == {}
    ledger.finish(P, 3, 1)
    assert ledger.news() == {P: 5}
    assert ledger.news() == {}


def test_work_of_an_earlier_assignment_is_never_committed():
    ledger = OffsetLedger()
    ledger.deliver(P, 3, 1)
    ledger.deliver(P, 3, 2)
    ledger.finish(P, 3, 1)
    assert ledger.news() == {}


def test_a_forgotten_partition_has_nothing_to_commit():
    ledger = OffsetLedger()
    ledger.deliver(P, 3, 1)
    ledger.forget(P)
    ledger.finish(P, 3, 1)
    assert ledger.news() == {}
    assert ledger.position(P) is None


def test_an_offset_that_does_not_grow_is_refused():
    ledger = OffsetLedger()
    ledger.deliver(P, 3, 1)
    with pytest.raises(ValueError, match="offset 3 after 3"):
        ledger.deliver(P, 3, 1)


@given(st.sets(st.integers(0, 500), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_in_any_order_the_position_never_passes_an_unfinished_offset(
    offsets: set[int], order: random.Random
):
    ledger, unfinished = OffsetLedger(), set(offsets)
    for offset in sorted(offsets):
        ledger.deliver(P, offset, 1)
    for offset in order.sample(sorted(offsets), len(offsets)):
        ledger.finish(P, offset, 1)
        unfinished.discard(offset)
        position = ledger.position(P)
        assert position is None or all(position <= open_one for open_one in unfinished)
    assert ledger.position(P) == max(offsets) + 1
    assert ledger.unfinished(P) == 0
