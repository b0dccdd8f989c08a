"""Many reviewers at once, some hasty, some gone: no flag is lost, none is decided twice."""

import random
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from schemas.decisions import Verdict
from schemas.flags import Severity
from tests.workers.review.flags import claimed, decision, flag, update
from workers.review.board import Board
from workers.review.desk import Answer, FlagState, Pool, ReviewDesk
from workers.review.history import DecisionHistory, EventKind, standing
from workers.review.intake import ReviewIntake
from workers.review.records import Step

FLAGS = 240
REVIEWERS = 8
VERDICTS = (Verdict.VIOLENT, Verdict.NOT_VIOLENT, Verdict.UNSURE)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ENDING = (Answer.OK, Answer.SECOND, Answer.ESCALATED)


class Reviewer(threading.Thread):
    """Works until nothing waits; does now and then what people do.

    Attributes:
        taken: (flag, epoch, answer) of each verdict that counted the first time it was sent.
        surprises: What should never happen.
    """

    def __init__(self, name: str, desk: ReviewDesk, left: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.taken: list[tuple[str, int, Answer]] = []
        self.surprises: list[str] = []
        self._desk = desk
        self._left = left
        self._chance = random.Random(name)

    def run(self) -> None:
        while not self._left.is_set():
            length = self._chance.choice((timedelta(milliseconds=3), timedelta(seconds=30)))
            held = self._desk.claim(self.name, length, tuple(Pool))
            if held is not None:
                self._act(held)

    def _act(self, held) -> None:
        flag_id, lot = held.flag.flag_id, self._chance.random()
        if lot < 0.1:
            self._desk.release_all(self.name)
        elif lot < 0.15:
            self._desk.release(flag_id, self.name, held.epoch)
        elif lot < 0.2:
            self._desk.move(flag_id, Pool.ESCALATED, self.name, epoch=held.epoch)
        elif lot < 0.25:
            self._desk.renew(flag_id, self.name, held.epoch, timedelta(milliseconds=5))
        else:
            self._decide(flag_id, held.epoch)

    def _decide(self, flag_id: str, epoch: int) -> None:
        verdict = self._chance.choices(VERDICTS, (10, 5, 1))[0]
        sent = decision(flag_id, self.name, epoch, verdict)
        answers = [self._desk.decide(sent, tuple(Pool)) for _ in range(self._chance.choice((1, 3)))]
        if answers[0] in ENDING:
            self.taken.append((flag_id, epoch, answers[0]))
            if set(answers[1:]) - {Answer.REPLAY}:
                self.surprises.append(f"{flag_id}: a repeated request got {answers}")
            if self._chance.random() < 0.1:
                answer, lease = self._desk.undo(flag_id, self.name, may=tuple(Pool))
                if answer is Answer.OK:
                    assert lease is not None
                    self._decide(flag_id, lease.epoch)


@pytest.fixture
def closing():
    made: list[ReviewIntake | ReviewDesk | Board] = []
    yield made
    for part in made:
        part.close()


def left_over(board: Board) -> int:
    counts = board.counts()
    return counts.ready + counts.escalated + counts.handed + counts.leased + counts.lapsed


def test_nothing_is_lost_and_nothing_decided_twice(redis_settings, closing):
    intake, board = ReviewIntake(redis_settings), Board(redis_settings)
    desks = [ReviewDesk(redis_settings, second_review_share=0.2) for _ in range(REVIEWERS)]
    history = DecisionHistory(redis_settings)
    closing += [intake, board, history, *desks]
    severities = tuple(Severity)
    flags = [flag(number, severities[number % 3]) for number in range(FLAGS)]
    intake.apply_all([update(found) for found in flags])
    left = threading.Event()
    people = [Reviewer(f"r{number}", desk, left) for number, desk in enumerate(desks)]
    for person in people:
        person.start()
    # The worker goes on meanwhile: audiences grow, incidents close.
    for number, found in enumerate(flags):
        step = Step.CLOSE if number % 2 else Step.EXTEND
        grown = found.model_copy(update={"peak": 0.99, "looks": 9})
        intake.apply_all([update(grown, step, offset=FLAGS + number)])
    supervise(desks[0], board)
    left.set()
    for person in people:
        person.join(20)
        assert not person.is_alive()
    finish(desks[0], board)

    assert [surprise for person in people for surprise in person.surprises] == []
    records = board.records([found.flag_id for found in flags])
    assert len(records) == FLAGS
    assert {record.state for record in records} == {FlagState.DECIDED}
    stood = standing(history.since(LONG_AGO))
    closed = Counter(event.flag_id for event in stood if event.kind is EventKind.DECISION)
    assert closed == Counter(found.flag_id for found in flags)
    counts = board.counts()
    assert (counts.decided, left_over(board), counts.parked) == (FLAGS, 0, 0)
    assert sum(counts.ready_by_severity.values()) == 0
    claims = Counter((flag_id, epoch) for p in people for flag_id, epoch, _ in p.taken)
    assert set(claims.values()) == {1}, "one claim gave two verdicts"


def supervise(desk: ReviewDesk, board: Board, timeout: timedelta = timedelta(seconds=60)) -> None:
    """Sends on what was set aside, and what only people who judged it already could take."""
    end = datetime.now(UTC) + timeout
    number = 0
    while left_over(board) or board.counts().parked:
        assert datetime.now(UTC) < end, f"left over: {board.counts()}"
        for record in board.parked():
            desk.move(record.flag.flag_id, Pool.ESCALATED, "lee")
        for record in board.waiting(Pool.ESCALATED):
            number += 1
            if record.flag.flag_id[-1] in "0123456789ABCDEF":
                desk.move(record.flag.flag_id, f"to:r{number % REVIEWERS}", "lee")


def finish(desk: ReviewDesk, board: Board) -> None:
    """Decides what an undo of the last moment opened again."""
    number = 0
    while left_over(board):
        number += 1
        assert number < 1000, f"left over: {board.counts()}"
        held = desk.claim(f"last-{number}", pools=tuple(Pool))
        if held is not None:
            sent = decision(held.flag.flag_id, f"last-{number}", held.epoch)
            desk.decide(sent, tuple(Pool))


def test_of_many_who_decide_the_same_claim_one_counts(redis_settings, closing):
    intake, desk = ReviewIntake(redis_settings), ReviewDesk(redis_settings)
    closing += [intake, desk]
    intake.apply_all([update(flag(1))])
    held = claimed(desk, "ana")
    start = threading.Barrier(12)
    answers: list[Answer] = []

    def send() -> None:
        start.wait()
        answers.append(desk.decide(decision(held.flag.flag_id, "ana", held.epoch)))

    threads = [threading.Thread(target=send) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(answers) == {Answer.OK: 1, Answer.CONFLICT: 11}
