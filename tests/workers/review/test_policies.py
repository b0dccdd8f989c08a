"""Policies are versioned, hold at once, and two people never overwrite each other's change."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from schemas.flags import Severity
from schemas.policies import DEFAULT_POLICIES, Policy
from tests.workers.review.flags import flag, update
from workers.review.board import Board
from workers.review.intake import ReviewIntake
from workers.review.policies import PolicyBook, PolicyConflict
from workers.review.records import Step


@pytest.fixture
def book(redis_settings):
    made = PolicyBook(redis_settings)
    yield made
    made.close()


@pytest.fixture
def board(redis_settings):
    made = Board(redis_settings)
    yield made
    made.close()


@pytest.fixture
def intake(redis_settings):
    made = ReviewIntake(redis_settings)
    yield made
    made.close()


def policy(**changes) -> Policy:
    values = {
        "code": "violence",
        "title": "Violence",
        "severity": Severity.HIGH,
        "sla": timedelta(minutes=2),
    }
    return Policy(**(values | changes))


def test_before_anybody_saved_some_the_defaults_hold(book):
    assert book.current() == DEFAULT_POLICIES
    assert book.history() == ()


def test_a_saved_set_is_the_current_one_and_older_ones_are_kept(book):
    first = book.save([policy()], "lee", 0)
    second = book.save([policy(title="Fights")], "kim", 1)
    assert book.current() == second
    assert book.history() == (second, first)
    assert (second.version, second.by) == (2, "kim")


def test_of_two_changes_of_one_version_the_second_is_refused(book):
    book.save([policy()], "lee", 0)
    with pytest.raises(PolicyConflict) as caught:
        book.save([policy(title="Fights")], "kim", 0)
    assert caught.value.current == 1
    assert book.current().policies[0].title == "Violence"


def test_a_set_that_names_a_code_twice_or_has_none_in_use_is_refused(book):
    with pytest.raises(ValidationError, match="twice"):
        book.save([policy(), policy()], "lee", 0)
    with pytest.raises(ValidationError, match="active"):
        book.save([policy(active=False)], "lee", 0)


def test_the_next_flag_is_dated_by_the_new_policy(book, board, intake):
    book.save([policy(sla=timedelta(hours=5))], "lee", 0)
    intake.apply_all([update(flag(1))])
    record = board.record(flag(1).flag_id)
    assert record.due - record.queued_at == timedelta(hours=5)


def test_flags_that_wait_are_dated_anew(book, board, intake):
    intake.apply_all([update(flag(number)) for number in range(450)])
    book.save([policy(sla=timedelta(seconds=30), severity=Severity.MEDIUM)], "lee", 0)
    assert {r.due - r.queued_at for r in board.waiting(limit=450)} == {timedelta(seconds=30)}
    assert board.counts().ready_by_severity == {
        Severity.HIGH: 0,
        Severity.MEDIUM: 450,
        Severity.LOW: 0,
    }


def test_a_peak_below_the_threshold_is_one_step_less_severe(book, board, intake):
    book.save([policy(threshold=0.95)], "lee", 0)
    intake.apply_all([update(flag(1, peak=0.9)), update(flag(2, peak=0.95))])
    assert board.record(flag(1).flag_id).severity is Severity.MEDIUM
    assert board.record(flag(2).flag_id).severity is Severity.HIGH


def test_a_peak_that_rises_above_the_threshold_makes_the_flag_more_severe(book, board, intake):
    book.save([policy(threshold=0.95)], "lee", 0)
    intake.apply_all([update(flag(1, peak=0.9))])
    before = board.record(flag(1).flag_id)
    intake.apply_all([update(flag(1, peak=0.99), Step.EXTEND, offset=2)])
    after = board.record(flag(1).flag_id)
    assert after.severity is Severity.HIGH
    assert after.due < before.due
    assert board.counts().ready_by_severity[Severity.MEDIUM] == 0


def test_a_policy_that_nobody_saved_leaves_what_the_worker_said(book, board, intake):
    book.save([policy(code="gore")], "lee", 0)
    intake.apply_all([update(flag(1, Severity.LOW))])
    assert board.record(flag(1).flag_id).severity is Severity.LOW


def test_a_version_says_when_it_was_saved(book):
    assert datetime.now(UTC) - book.save([policy()], "lee", 0).changed_at < timedelta(minutes=1)
