"""Partitions that leave wait for their work, for a bounded time, and never for one who is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import wait_until
from workers.moderation.handover import HandOver
from workers.moderation.source import Positions
from workers.moderation.watermark import OffsetLedger, Partition

LEAVING, STAYING = Partition("frames", 0), Partition("frames", 1)


class Work:
    """Offsets of a ledger, of which some wait and some were begun."""

    def __init__(self) -> None:
        self.ledger = OffsetLedger()
        self.waiting: list[tuple[Partition, int]] = []

    def deliver(self, partition: Partition, *offsets: int) -> None:
        for offset in offsets:
            self.ledger.deliver(partition, offset, 1)

    def give_up_waiting(self, partitions: frozenset[Partition]) -> None:
        for partition, _ in [one for one in self.waiting if one[0] in partitions]:
            self.ledger.give_up(partition)
        self.waiting = [one for one in self.waiting if one[0] not in partitions]

    def is_unfinished(self, partitions: frozenset[Partition]) -> bool:
        return any(map(self.ledger.unfinished, partitions))

    def let_go(self, partitions: frozenset[Partition]) -> Positions:
        found = {partition: self.ledger.position(partition) for partition in partitions}
        for partition in partitions:
            self.ledger.forget(partition)
        return {partition: at for partition, at in found.items() if at is not None}


class Client:
    """A Kafka client's thread that asks for a hand-over."""

    def __init__(self, hand_over: HandOver) -> None:
        self.answer: Positions | None = None
        self._thread = threading.Thread(target=self._ask, args=(hand_over,))

    def _ask(self, hand_over: HandOver) -> None:
        self.answer = hand_over.drain(frozenset({LEAVING}))

    @contextmanager
    def asking(self, woken: threading.Event) -> Iterator[None]:
        self._thread.start()
        assert woken.wait(5)
        yield
        self._thread.join(10)


def test_it_waits_for_work_that_was_begun_and_commits_it():
    woken, work = threading.Event(), Work()
    work.deliver(LEAVING, 7, 8)
    hand_over = HandOver(woken.set, limit_s=60)
    client = Client(hand_over)
    with client.asking(woken):
        hand_over.serve(work)
        work.ledger.finish(LEAVING, 7, 1)
        hand_over.serve(work)
        assert client.answer is None
        work.ledger.finish(LEAVING, 8, 1)
        hand_over.serve(work)
    assert client.answer == {LEAVING: 9}


def test_what_nobody_has_begun_is_left_to_the_next_owner():
    woken, work = threading.Event(), Work()
    work.deliver(LEAVING, 7, 8)
    work.deliver(STAYING, 3)
    work.ledger.finish(LEAVING, 7, 1)
    work.waiting = [(LEAVING, 8), (STAYING, 3)]
    hand_over = HandOver(woken.set, limit_s=60)
    client = Client(hand_over)
    with client.asking(woken):
        hand_over.serve(work)
    assert client.answer == {LEAVING: 8}
    assert work.waiting == [(STAYING, 3)]


def test_after_the_limit_it_goes_with_what_is_done():
    woken, work = threading.Event(), Work()
    work.deliver(LEAVING, 7, 8)
    work.ledger.finish(LEAVING, 7, 1)
    hand_over = HandOver(woken.set, limit_s=0.1)
    client = Client(hand_over)

    def is_answered() -> bool:
        hand_over.serve(work)
        return client.answer is not None

    with client.asking(woken):
        wait_until(is_answered, 5)
    assert client.answer == {LEAVING: 8}


def test_a_loop_that_does_not_turn_in_time_lets_go_of_nothing_later():
    woken, work = threading.Event(), Work()
    work.deliver(LEAVING, 7)
    hand_over = HandOver(woken.set, limit_s=0.1)
    client = Client(hand_over)
    with client.asking(woken):
        pass  # the loop hangs
    assert client.answer == {}
    hand_over.serve(work)
    assert work.ledger.unfinished(LEAVING) == 1


def test_after_the_end_of_the_loop_nobody_waits():
    woken = threading.Event()
    hand_over = HandOver(woken.set, limit_s=60)
    client = Client(hand_over)
    began_s = time.monotonic()
    with client.asking(woken):
        hand_over.close()
    assert client.answer == {}
    assert hand_over.drain(frozenset({LEAVING})) == {}
    assert time.monotonic() - began_s < 10
