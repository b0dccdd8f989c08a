"""A flag is decided once, by somebody who holds it, and never forgotten."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from schemas.decisions import Verdict
from tests.servers import wait_until
from tests.workers.review.flags import decision, flag, update
from workers.review.board import Board
from workers.review.desk import PARK_AFTER_EXPIRIES, Answer, Pool, ReviewDesk
from workers.review.intake import ReviewIntake

SHORT = timedelta(milliseconds=30)
SENIOR = (Pool.ESCALATED, Pool.READY)


@pytest.fixture
def desk(redis_settings):
    made = ReviewDesk(redis_settings)
    yield made
    made.close()


@pytest.fixture
def fill(redis_settings):
    intake = ReviewIntake(redis_settings)
    yield lambda count: intake.apply_all([update(flag(number)) for number in range(count)])
    intake.close()


def claimed_again(desk: ReviewDesk, reviewer: str):
    """Claims as soon as somebody's short lease has run out."""
    wait_until(lambda: desk.claim(reviewer) is not None)
    return desk.claim(reviewer)


def test_an_empty_queue_gives_nothing(desk):
    assert desk.claim("ana") is None


def test_two_reviewers_never_hold_the_same_flag(desk, fill):
    fill(2)
    assert desk.claim("ana").flag.flag_id != desk.claim("ben").flag.flag_id


def test_a_second_tab_gets_the_same_flag(desk, fill):
    fill(2)
    assert desk.claim("ana") == desk.claim("ana")


def test_a_decision_takes_the_flag_out_of_the_queue(desk, fill):
    fill(1)
    lease = desk.claim("ana")
    assert desk.decide(decision(lease.flag.flag_id, "ana", lease.epoch)) is Answer.OK
    assert desk.claim("ana") is None
    assert desk.flag(lease.flag.flag_id)["verdict"] == "violent"


def test_the_same_request_twice_is_one_decision(desk, fill):
    fill(1)
    lease = desk.claim("ana")
    request = decision(lease.flag.flag_id, "ana", lease.epoch, request="r1")
    assert desk.decide(request) is Answer.OK
    assert desk.decide(request) is Answer.REPLAY


def test_another_decision_on_a_decided_flag_is_a_conflict(desk, fill):
    fill(1)
    lease = desk.claim("ana")
    desk.decide(decision(lease.flag.flag_id, "ana", lease.epoch))
    again = decision(lease.flag.flag_id, "ana", lease.epoch)
    assert desk.decide(again) is Answer.CONFLICT


def test_a_reviewer_who_vanishes_loses_the_flag_to_the_next(desk, fill):
    fill(1)
    held = desk.claim("ana", lease=SHORT)
    taken = claimed_again(desk, "ben")
    assert taken.flag == held.flag
    assert desk.decide(decision(held.flag.flag_id, "ana", held.epoch)) is Answer.STALE
    assert desk.decide(decision(held.flag.flag_id, "ben", taken.epoch)) is Answer.OK


def test_a_late_decision_on_a_flag_that_nobody_took_counts(desk, fill):
    fill(1)
    held = desk.claim("ana", lease=SHORT)
    wait_until(lambda: datetime.now(UTC) > held.ends_at)
    assert desk.decide(decision(held.flag.flag_id, "ana", held.epoch)) is Answer.OK


def test_a_renewed_lease_ends_later(desk, fill):
    fill(1)
    held = desk.claim("ana")
    assert desk.renew(held.flag.flag_id, "ana", held.epoch, timedelta(hours=2)) > held.ends_at
    assert desk.renew(held.flag.flag_id, "ben", held.epoch) is None


def test_a_flag_whose_lease_runs_out_too_often_is_parked_and_stays_visible(
    desk, fill, redis_settings
):
    fill(1)
    for number in range(PARK_AFTER_EXPIRIES):
        claimed_again_short(desk, f"reviewer-{number}")
    wait_until(lambda: desk.claim("late") is None and Board(redis_settings).counts().parked == 1)
    ((flag_id, _),) = desk.waiting("parked")
    assert desk.move(flag_id, Pool.READY, "lee") is Answer.OK
    assert desk.claim("late").flag.flag_id == flag_id


def claimed_again_short(desk: ReviewDesk, reviewer: str) -> None:
    wait_until(lambda: desk.claim(reviewer, lease=SHORT) is not None)


def test_a_skipped_flag_goes_to_others_and_never_back(desk, fill):
    fill(1)
    held = desk.claim("ana")
    assert desk.skip(held.flag.flag_id, "ana", held.epoch, "not my language") is Answer.OK
    assert desk.claim("ana") is None
    assert desk.claim("ben").flag == held.flag


def test_an_unsure_verdict_goes_to_a_senior(desk, fill):
    fill(1)
    held = desk.claim("ana")
    unsure = decision(held.flag.flag_id, "ana", held.epoch, Verdict.UNSURE)
    assert desk.decide(unsure) is Answer.ESCALATED
    assert desk.claim("ben") is None
    senior = desk.claim("lee", pools=SENIOR)
    verdict = decision(held.flag.flag_id, "lee", senior.epoch)
    assert desk.decide(verdict, may=SENIOR) is Answer.OK


def test_a_flag_moved_to_a_person_is_theirs_alone(desk, fill):
    fill(1)
    ((flag_id, _),) = desk.waiting()
    desk.move(flag_id, "to:ben", "lee")
    assert desk.claim("ana") is None
    assert desk.claim("ben").flag.flag_id == flag_id


@pytest.fixture
def blind(redis_settings):
    made = ReviewDesk(redis_settings, second_review_share=1.0)
    yield made
    made.close()


def test_a_second_review_is_another_persons_and_does_not_show_the_first(blind, fill):
    fill(1)
    held = blind.claim("ana")
    assert blind.decide(decision(held.flag.flag_id, "ana", held.epoch)) is Answer.SECOND
    assert blind.claim("ana") is None
    second = blind.claim("ben")
    assert "verdict" not in second.flag.model_dump_json()
    assert blind.decide(decision(held.flag.flag_id, "ben", second.epoch)) is Answer.OK


def test_two_verdicts_that_differ_go_to_a_senior(blind, fill):
    fill(1)
    held = blind.claim("ana")
    blind.decide(decision(held.flag.flag_id, "ana", held.epoch))
    second = blind.claim("ben")
    other = decision(held.flag.flag_id, "ben", second.epoch, Verdict.NOT_VIOLENT)
    assert blind.decide(other) is Answer.ESCALATED
    senior = blind.claim("lee", pools=SENIOR)
    verdict = decision(held.flag.flag_id, "lee", senior.epoch)
    assert blind.decide(verdict, may=SENIOR) is Answer.OK


def test_an_undone_decision_is_held_by_the_same_person_again(desk, fill):
    fill(1)
    held = desk.claim("ana")
    desk.decide(decision(held.flag.flag_id, "ana", held.epoch))
    answer, again = desk.undo(held.flag.flag_id, "ana")
    assert (answer, again.epoch) == (Answer.OK, held.epoch + 1)
    assert again == desk.held_by("ana")
    changed = decision(held.flag.flag_id, "ana", again.epoch, Verdict.NOT_VIOLENT)
    assert desk.decide(changed) is Answer.OK
    assert [event["event"] for event in desk.log()].count("decision") == 2


def test_only_an_own_decision_inside_the_window_can_be_undone(desk, fill):
    fill(1)
    held = desk.claim("ana")
    assert desk.undo(held.flag.flag_id, "ana")[0] is Answer.NOT_DECIDED
    desk.decide(decision(held.flag.flag_id, "ana", held.epoch))
    assert desk.undo(held.flag.flag_id, "ben")[0] is Answer.NOT_YOURS
    too_short = timedelta(milliseconds=-1)
    assert desk.undo(held.flag.flag_id, "ana", too_short)[0] is Answer.TOO_LATE


def test_an_exported_decision_is_not_undone(desk, fill, redis_settings):
    fill(1)
    held = desk.claim("ana")
    desk.decide(decision(held.flag.flag_id, "ana", held.epoch))
    desk._redis.hset(f"fq:{{{redis_settings.queue}}}:f:{held.flag.flag_id}", "exported", 1)
    assert desk.undo(held.flag.flag_id, "ana")[0] is Answer.EXPORTED


def test_hundreds_of_flags_and_hasty_reviewers_lose_and_double_nothing(desk, fill):
    fill(300)
    chance = random.Random(7)
    decided: list[str] = []
    reviewers = [f"reviewer-{number}" for number in range(12)]
    for _ in range(6000):
        reviewer = chance.choice(reviewers)
        held = desk.claim(reviewer, lease=timedelta(milliseconds=chance.choice((5, 5000))))
        if held is None:
            if queue_is_done(desk):
                break
            continue
        if chance.random() < 0.2:
            continue  # vanishes, or comes back to it
        request = decision(held.flag.flag_id, reviewer, held.epoch)
        answers = [desk.decide(request) for _ in range(chance.choice((1, 2)))]
        if answers[0] is Answer.OK:
            decided.append(held.flag.flag_id)
    for flag_id, _ in desk.waiting("parked", 300):
        decided.append(flag_id)
    assert sorted(decided) == sorted(flag(number).flag_id for number in range(300))


def queue_is_done(desk: ReviewDesk) -> bool:
    return not desk.waiting() and not desk.waiting("leased")
