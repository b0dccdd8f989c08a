"""Several flags of one stream are closed at once, each on its own account."""

import pytest
from pydantic import ValidationError

from schemas.decisions import Reason, Verdict
from tests.workers.review.flags import START, flag, update
from workers.review.bulk import BulkDecision
from workers.review.desk import Answer, Pool, ReviewDesk
from workers.review.intake import ReviewIntake


@pytest.fixture
def desk(redis_settings):
    made = ReviewDesk(redis_settings)
    yield made
    made.close()


@pytest.fixture
def ids(redis_settings):
    """Four flags of one stream and, last, one of another."""
    intake = ReviewIntake(redis_settings)
    flags = [flag(number, stream_id="cam") for number in range(4)] + [flag(9)]
    intake.apply_all([update(found) for found in flags])
    intake.close()
    return [found.flag_id for found in flags]


def bulk(ids, **changes) -> BulkDecision:
    values = {
        "stream_id": "cam",
        "flag_ids": tuple(ids),
        "request_id": "b1",
        "reviewer": "lee",
        "verdict": Verdict.NOT_VIOLENT,
        "reason": Reason.GAME,
        "decided_at": START,
    }
    return BulkDecision(**(values | changes))


def test_each_flag_gets_its_own_decision_in_the_log(desk, ids):
    assert set(desk.decide_bulk(bulk(ids[:4])).values()) == {Answer.OK}
    events = [event for event in desk.log() if event["event"] == "decision"]
    assert {event["flag"] for event in events} == set(ids[:4])
    assert {event["reviewer"] for event in events} == {"lee"}
    assert desk.claim("ana").flag.flag_id == ids[4]


def test_what_somebody_holds_is_left_alone(desk, ids):
    held = desk.claim("ana")
    answers = desk.decide_bulk(bulk(ids[:4]))
    assert answers.pop(held.flag.flag_id) is Answer.HELD
    assert set(answers.values()) == {Answer.OK}
    assert desk.held_by("ana") == held


def test_what_is_held_by_the_one_who_closes_is_closed_too(desk, ids):
    held = desk.claim("lee")
    assert desk.decide_bulk(bulk(ids[:4]))[held.flag.flag_id] is Answer.OK
    assert desk.held_by("lee") is None


def test_another_streams_flag_is_left_alone(desk, ids):
    assert desk.decide_bulk(bulk([ids[0], ids[4]]))[ids[4]] is Answer.OTHER_STREAM
    assert desk.flag(ids[4])["state"] == "ready"


def test_what_is_decided_or_unknown_is_told(desk, ids):
    desk.decide_bulk(bulk(ids[:1]))
    answers = desk.decide_bulk(bulk([ids[0], "0" * 26], request_id="b2", reviewer="kim"))
    assert answers == {ids[0]: Answer.CONFLICT, "0" * 26: Answer.MISSING}


def test_the_same_request_twice_is_one(desk, ids):
    desk.decide_bulk(bulk(ids[:4]))
    assert set(desk.decide_bulk(bulk(ids[:4])).values()) == {Answer.REPLAY}
    assert [event["event"] for event in desk.log()].count("decision") == 4


def test_what_is_escalated_needs_the_right(desk, ids):
    desk.move(ids[0], Pool.ESCALATED, "kim")
    assert desk.decide_bulk(bulk(ids[:1]))[ids[0]] is Answer.FORBIDDEN
    assert desk.decide_bulk(bulk(ids[:1]), may=tuple(Pool))[ids[0]] is Answer.OK


def test_each_can_be_undone(desk, ids):
    desk.decide_bulk(bulk(ids[:4]))
    answer, lease = desk.undo(ids[2], "lee")
    assert (answer, lease.flag.flag_id) == (Answer.OK, ids[2])


def test_a_bulk_decision_is_explained_and_names_each_flag_once(ids):
    with pytest.raises(ValidationError, match="reason"):
        bulk(ids, reason=None)
    with pytest.raises(ValidationError, match="twice"):
        bulk([ids[0], ids[0]])
    with pytest.raises(ValidationError):
        bulk([])
