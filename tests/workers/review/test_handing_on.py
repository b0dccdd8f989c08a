"""Who holds a flag may give it back or hand it on; who does not, may not."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from schemas.decisions import Verdict
from schemas.flags import Severity
from tests.servers import wait_until
from tests.workers.review.flags import claimed, decision, flag, undone, update
from workers.review.desk import (
    CANDIDATES,
    LEASE_CAP,
    PARK_AFTER_SKIPS,
    Answer,
    FlagState,
    Pool,
    ReviewDesk,
)
from workers.review.intake import ReviewIntake

SHORT = timedelta(milliseconds=30)
SENIOR = (Pool.ESCALATED, Pool.READY)


@pytest.fixture
def desk(redis_settings):
    made = ReviewDesk(redis_settings)
    yield made
    made.close()


@pytest.fixture
def put(redis_settings):
    intake = ReviewIntake(redis_settings)
    yield lambda *flags: intake.apply_all([update(found) for found in flags])
    intake.close()


@pytest.fixture
def held(desk, put):
    put(flag(1))
    return desk.claim("ana")


def events(desk: ReviewDesk) -> list[str]:
    return [event["event"] for event in desk.log()]


def test_a_released_flag_may_come_back_to_the_same_person(desk, held):
    assert desk.release(held.flag.flag_id, "ana", held.epoch) is Answer.OK
    assert desk.held_by("ana") is None
    again = desk.claim("ana")
    assert (again.flag, again.epoch) == (held.flag, held.epoch + 1)
    assert "release" in events(desk)


def test_a_released_flag_keeps_its_due_time(desk, held):
    due = desk.flag(held.flag.flag_id)["due"]
    desk.release(held.flag.flag_id, "ana", held.epoch)
    assert desk.flag(held.flag.flag_id)["due"] == due


@pytest.mark.parametrize("give_away", ["release", "skip"])
def test_what_was_given_away_is_not_decided_any_more(desk, held, give_away):
    getattr(desk, give_away)(held.flag.flag_id, "ana", held.epoch)
    late = decision(held.flag.flag_id, "ana", held.epoch)
    assert desk.decide(late) is Answer.STALE


def test_only_the_holder_releases(desk, held):
    assert desk.release(held.flag.flag_id, "ben", held.epoch) is Answer.STALE
    assert desk.release(held.flag.flag_id, "ana", held.epoch + 1) is Answer.STALE
    assert desk.release("0" * 26, "ana", 1) is Answer.MISSING
    assert desk.held_by("ana") == held


def test_a_revoked_session_gives_back_what_it_held(desk, held):
    assert desk.release_all("ana") == held.flag.flag_id
    assert desk.release_all("ana") is None
    assert desk.decide(decision(held.flag.flag_id, "ana", held.epoch)) is Answer.STALE
    assert desk.claim("ben").flag == held.flag


def test_who_holds_a_flag_is_told(desk, held):
    found = desk.lease_of(held.flag.flag_id)
    assert (found.state, found.owner, found.epoch) == (FlagState.LEASED, "ana", 1)
    assert found.ends_at == held.ends_at
    desk.decide(decision(held.flag.flag_id, "ana", held.epoch))
    found = desk.lease_of(held.flag.flag_id)
    assert (found.state, found.ends_at, found.decided_by) == (FlagState.DECIDED, None, "ana")
    assert desk.lease_of("0" * 26) is None


def test_what_somebody_holds_is_seen_without_a_claim(desk, put):
    put(flag(1))
    assert desk.held_by("ana") is None
    assert desk.waiting()
    held = desk.claim("ana")
    assert desk.held_by("ana") == held


def test_a_lease_that_ran_out_is_not_held(desk, put):
    put(flag(1))
    held = desk.claim("ana", lease=SHORT)
    wait_until(lambda: datetime.now(UTC) > held.ends_at)
    assert desk.held_by("ana") is None


def test_a_holder_hands_on_what_they_hold(desk, held):
    flag_id = held.flag.flag_id
    assert desk.move(flag_id, "to:ben", "ana", "knows the game", epoch=held.epoch) is Answer.OK
    assert desk.claim("ana") is None
    assert desk.claim("ben").flag == held.flag


def test_nobody_hands_on_what_another_holds(desk, held):
    flag_id = held.flag.flag_id
    assert desk.move(flag_id, "to:ben", "ben", epoch=held.epoch) is Answer.STALE
    assert desk.move(flag_id, "to:ben", "ana", epoch=held.epoch + 1) is Answer.STALE
    assert desk.park(flag_id, "ben", "mine", epoch=held.epoch) is Answer.STALE
    assert desk.held_by("ana") == held


def test_a_supervisor_takes_a_flag_out_of_somebodys_hands(desk, held):
    assert desk.move(held.flag.flag_id, "to:ben", "lee") is Answer.OK
    assert desk.decide(decision(held.flag.flag_id, "ana", held.epoch)) is Answer.STALE


def test_a_flag_sent_to_who_skipped_it_is_given_to_them(desk, held):
    desk.skip(held.flag.flag_id, "ana", held.epoch)
    desk.move(held.flag.flag_id, "to:ana", "lee")
    assert desk.claim("ana").flag == held.flag


def test_a_flag_sent_by_name_and_skipped_is_everybodys(desk, put):
    put(flag(1))
    desk.move(flag(1).flag_id, "to:ana", "lee")
    held = desk.claim("ana")
    desk.skip(held.flag.flag_id, "ana", held.epoch)
    assert desk.claim("ben").flag == held.flag


def test_handing_on_does_not_forget_how_often_leases_ran_out(desk, put):
    put(flag(1))
    desk.claim("ana", lease=SHORT)
    wait_until(lambda: desk.claim("ben") is not None)
    held = desk.held_by("ben")
    desk.move(held.flag.flag_id, Pool.READY, "ben", epoch=held.epoch)
    assert desk.flag(held.flag.flag_id)["expiries"] == "1"


def test_what_everybody_skips_is_set_aside_and_seen(desk, put):
    put(flag(1))
    for number in range(PARK_AFTER_SKIPS):
        held = desk.claim(f"r{number}")
        desk.skip(held.flag.flag_id, f"r{number}", held.epoch)
    ((parked, _),) = desk.waiting("parked")
    desk.move(parked, Pool.READY, "lee")
    assert desk.claim("r0").flag.flag_id == parked


def test_there_is_no_other_pool(desk, held):
    for pool in ("ready:policy:x", "log", "to:", "to:two words", "ana"):
        with pytest.raises(ValueError, match="to:PERSON"):
            desk.move(held.flag.flag_id, pool, "lee")


def test_what_is_escalated_is_for_seniors_alone(desk, put):
    put(flag(1))
    desk.move(flag(1).flag_id, Pool.ESCALATED, "lee")
    held = desk.claim("lee", pools=SENIOR)
    verdict = decision(held.flag.flag_id, "lee", held.epoch)
    assert desk.decide(verdict) is Answer.FORBIDDEN
    assert desk.decide(verdict, may=SENIOR) is Answer.OK
    assert desk.undo(held.flag.flag_id, "lee")[0] is Answer.FORBIDDEN
    assert desk.undo(held.flag.flag_id, "lee", may=SENIOR)[0] is Answer.OK


def test_a_role_lost_while_holding_gives_the_flag_back(desk, put):
    put(flag(1))
    desk.move(flag(1).flag_id, Pool.ESCALATED, "lee")
    desk.claim("kim", pools=SENIOR)
    assert desk.claim("kim") is None
    assert desk.claim("lee", pools=SENIOR) is not None


def test_an_escalated_flag_comes_down_only_by_a_supervisor(desk, put):
    put(flag(1))
    flag_id = flag(1).flag_id
    desk.move(flag_id, Pool.ESCALATED, "lee")
    held = desk.claim("kim", pools=SENIOR)
    assert desk.move(flag_id, Pool.READY, "kim", epoch=held.epoch) is Answer.FORBIDDEN
    assert desk.move(flag_id, "to:ana", "kim", epoch=held.epoch) is Answer.OK
    assert desk.claim("ana") is None
    assert desk.move(flag_id, Pool.READY, "lee") is Answer.OK
    assert desk.claim("ana").flag.flag_id == flag_id


def test_another_persons_request_is_no_replay(desk, held):
    verdict = decision(held.flag.flag_id, "ana", held.epoch, request="r1")
    assert desk.decide(verdict) is Answer.OK
    other = decision(held.flag.flag_id, "ben", held.epoch, request="r1")
    assert desk.decide(other) is Answer.CONFLICT


def test_one_person_does_not_give_both_verdicts(redis_settings, put):
    blind = ReviewDesk(redis_settings, second_review_share=1.0)
    put(flag(1))
    held = claimed(blind, "ana")
    assert blind.decide(decision(held.flag.flag_id, "ana", held.epoch)) is Answer.SECOND
    assert blind.decide(decision(held.flag.flag_id, "ana", held.epoch)) is Answer.STALE
    assert blind.move(held.flag.flag_id, "to:ana", "lee") is Answer.FORBIDDEN
    blind.close()


def test_an_unsure_verdict_can_be_taken_back(desk, held):
    flag_id = held.flag.flag_id
    desk.decide(decision(flag_id, "ana", held.epoch, Verdict.UNSURE))
    answer, again = desk.undo(flag_id, "ana")
    assert answer is Answer.OK
    assert desk.claim("lee", pools=(Pool.ESCALATED,)) is None
    assert desk.decide(decision(flag_id, "ana", again.epoch)) is Answer.OK


def test_a_verdict_that_a_senior_has_taken_up_is_not_taken_back(desk, held):
    flag_id = held.flag.flag_id
    desk.decide(decision(flag_id, "ana", held.epoch, Verdict.UNSURE))
    desk.claim("lee", pools=SENIOR)
    assert desk.undo(flag_id, "ana") == (Answer.STALE, None)


def test_a_first_verdict_taken_back_is_given_anew(redis_settings, put):
    blind = ReviewDesk(redis_settings, second_review_share=1.0)
    put(flag(1))
    held = claimed(blind, "ana")
    blind.decide(decision(held.flag.flag_id, "ana", held.epoch))
    again = undone(blind, held.flag.flag_id, "ana")
    other = decision(held.flag.flag_id, "ana", again.epoch, Verdict.NOT_VIOLENT)
    assert blind.decide(other) is Answer.SECOND
    second = claimed(blind, "ben")
    agreed = decision(held.flag.flag_id, "ben", second.epoch, Verdict.NOT_VIOLENT)
    assert blind.decide(agreed) is Answer.OK
    blind.close()


def test_a_second_verdict_taken_back_is_for_a_senior_its_author_may_know_the_first(
    redis_settings, put
):
    blind = ReviewDesk(redis_settings, second_review_share=1.0)
    put(flag(1))
    for reviewer in ("ana", "ben"):
        held = claimed(blind, reviewer)
        blind.decide(decision(held.flag.flag_id, reviewer, held.epoch))
    assert blind.undo(held.flag.flag_id, "ben") == (Answer.ESCALATED, None)
    other = decision(held.flag.flag_id, "ben", held.epoch, Verdict.NOT_VIOLENT)
    assert blind.decide(other) is Answer.STALE
    assert blind.claim("ben", pools=SENIOR) is None
    senior = blind.claim("lee", pools=SENIOR)
    assert senior is not None
    final = decision(held.flag.flag_id, "lee", senior.epoch, Verdict.NOT_VIOLENT)
    assert blind.decide(final, SENIOR) is Answer.OK
    assert blind.undo(held.flag.flag_id, "lee", may=SENIOR)[0] is Answer.OK
    blind.close()


def test_undoing_gives_back_what_was_taken_up_meanwhile(desk, put):
    put(flag(1), flag(2))
    first = desk.claim("ana")
    desk.decide(decision(first.flag.flag_id, "ana", first.epoch))
    second = desk.claim("ana")
    desk.undo(first.flag.flag_id, "ana")
    assert desk.held_by("ana").flag == first.flag
    assert desk.claim("ben").flag == second.flag


def test_two_seniors_are_asked_where_a_supervisor_wants_both(desk, put):
    put(flag(1))
    desk.move(flag(1).flag_id, Pool.ESCALATED, "lee", second_review=True)
    answers = []
    for reviewer in ("kim", "mo"):
        held = desk.claim(reviewer, pools=SENIOR)
        answers.append(desk.decide(decision(held.flag.flag_id, reviewer, held.epoch), may=SENIOR))
    assert answers == [Answer.SECOND, Answer.OK]


def test_a_policy_that_was_opted_out_of_is_never_given(desk, put):
    put(flag(1, policy="gore"), flag(2, policy="brawl"), flag(3, policy="gore"))
    held = desk.claim("ana", without={"gore"})
    assert held.flag.policy == "brawl"
    desk.decide(decision(held.flag.flag_id, "ana", held.epoch))
    assert desk.claim("ana", without={"gore"}) is None
    assert desk.claim("ben") is not None


def test_opting_out_while_holding_gives_the_flag_back(desk, put):
    put(flag(1, policy="gore"), flag(2, policy="brawl"))
    desk.claim("ana")
    assert desk.claim("ana", without={"gore"}).flag.policy == "brawl"
    assert desk.claim("ben").flag.policy == "gore"


def test_of_the_policies_left_the_most_urgent_flag_comes_first(desk, put):
    put(flag(1, Severity.LOW, policy="brawl"), flag(2, policy="weapon"), flag(3, policy="gore"))
    assert desk.claim("ana", without={"gore"}).flag.policy == "weapon"


def test_who_skipped_a_whole_page_still_gets_the_next_flag(desk, put):
    put(*(flag(number) for number in range(CANDIDATES + 5)))
    for _ in range(CANDIDATES + 4):
        held = desk.claim("ana")
        desk.skip(held.flag.flag_id, "ana", held.epoch)
    assert desk.claim("ana") is not None


def test_a_server_clock_that_was_set_back_holds_no_flag_for_hours(desk, put, redis_settings):
    put(flag(1))
    held = desk.claim("ana")
    tomorrow_ms = (datetime.now(UTC) + timedelta(days=1)).timestamp() * 1000
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        key = f"fq:{{{redis_settings.queue}}}:leased"
        client.zadd(key, {held.flag.flag_id: tomorrow_ms})
    assert desk.claim("ben").flag == held.flag


def test_no_lease_is_longer_than_the_longest(desk, put):
    put(flag(1))
    held = desk.claim("ana", lease=timedelta(days=1))
    assert held.ends_at - datetime.now(UTC) <= LEASE_CAP
    assert desk.claim("ben") is None


@pytest.mark.parametrize("is_escalated", [False, True])
def test_what_a_person_sent_by_name_does_not_take_up_goes_back_to_all(
    desk, put, redis_settings, is_escalated
):
    """They may have left, or be no senior, or have opted out of it."""
    put(flag(1))
    flag_id = flag(1).flag_id
    if is_escalated:
        desk.move(flag_id, Pool.ESCALATED, "sue")
    desk.move(flag_id, "to:gone", "sue")
    assert desk.claim("lee", pools=SENIOR) is None
    an_age_ago = round((datetime.now(UTC) - timedelta(minutes=16)).timestamp() * 1000)
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        client.hset(f"fq:{{{redis_settings.queue}}}:f:{flag_id}", "handed_at", an_age_ago)
    plain = desk.claim("ana")
    assert (plain is None) is is_escalated
    if is_escalated:
        lease = desk.claim("lee", pools=SENIOR)
        assert lease is not None
        assert lease.flag.flag_id == flag_id
