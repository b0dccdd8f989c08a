"""What people said is read back whole: in order, with the flag's facts, undone ones told apart."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.decisions import Verdict
from schemas.flags import AuditSample
from tests.workers.review.flags import claimed, decision, flag, update
from workers.review.desk import Answer, ReviewDesk
from workers.review.history import PAGE, DecisionHistory, EventKind, StreamHistory, standing
from workers.review.intake import ReviewIntake

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def history(redis_settings):
    made = DecisionHistory(redis_settings)
    yield made
    made.close()


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


def decided(desk: ReviewDesk, reviewer: str, verdict=Verdict.VIOLENT) -> str:
    lease = claimed(desk, reviewer)
    desk.decide(decision(lease.flag.flag_id, reviewer, lease.epoch, verdict))
    return lease.flag.flag_id


def test_nothing_said_is_nothing_read(history):
    assert list(history.since(LONG_AGO)) == []
    assert history.mine("ana") == ()


def test_a_decision_is_read_with_the_facts_of_its_flag(desk, put, history):
    put(flag(1, peak=0.93, looks=5, audit=AuditSample(probability=0.01, stratum="low")))
    flag_id = decided(desk, "ana")
    (event,) = history.since(LONG_AGO)
    assert (event.kind, event.flag_id, event.reviewer) == (EventKind.DECISION, flag_id, "ana")
    assert (event.verdict, event.result) == (Verdict.VIOLENT, Answer.OK)
    assert (event.facts.stream_id, event.facts.peak, event.facts.looks) == ("s1", 0.93, 5)
    assert event.facts.audit == AuditSample(probability=0.01, stratum="low")
    assert event.facts.opened_at == flag(1).opened_at


def test_verdicts_that_leave_the_flag_open_are_read_too(desk, put, history):
    put(flag(1))
    decided(desk, "ana", Verdict.UNSURE)
    (event,) = history.since(LONG_AGO)
    assert (event.kind, event.result) == (EventKind.VERDICT, Answer.ESCALATED)


def test_what_was_taken_back_does_not_stand(desk, put, history):
    put(flag(1))
    flag_id = decided(desk, "ana")
    _, lease = desk.undo(flag_id, "ana")
    desk.decide(decision(flag_id, "ana", lease.epoch, Verdict.NOT_VIOLENT))
    events = list(history.since(LONG_AGO))
    assert [event.kind for event in events] == [
        EventKind.DECISION,
        EventKind.UNDO,
        EventKind.DECISION,
    ]
    assert [event.verdict for event in standing(events)] == [Verdict.NOT_VIOLENT]


def test_own_verdicts_come_newest_first_with_undone_ones_marked(desk, put, history):
    put(flag(1), flag(2), flag(3))
    first = decided(desk, "ana")
    decided(desk, "ben")
    second = decided(desk, "ana")
    desk.undo(second, "ana")
    mine = history.mine("ana")
    assert [(event.flag_id, event.is_undone) for event in mine] == [(second, True), (first, False)]
    assert len(history.mine("ana", limit=1)) == 1


def test_a_long_history_is_read_without_a_gap(desk, put, history):
    put(*(flag(number) for number in range(PAGE + 20)))
    ids = [decided(desk, f"r{number % 7}") for number in range(PAGE + 20)]
    assert [event.flag_id for event in history.since(LONG_AGO)] == ids


def test_only_the_asked_time_is_read(desk, put, history):
    put(flag(1))
    decided(desk, "ana")
    soon = datetime.now(UTC) + timedelta(minutes=5)
    assert list(history.since(soon)) == []
    before_all = datetime(1901, 1, 1, tzinfo=UTC)
    assert list(history.since(before_all, until=before_all)) == []
    assert list(history.since(LONG_AGO, until=LONG_AGO + timedelta(days=1))) == []


def test_a_stream_knows_how_its_flags_were_decided(desk, put, history):
    put(*(flag(number, stream_id="cam") for number in range(4)))
    decided(desk, "ana")
    decided(desk, "ana", Verdict.NOT_VIOLENT)
    held = desk.claim("ana")
    assert history.stream_record("cam") == StreamHistory(violent=1, not_violent=1, open=2)
    assert history.stream_record("cam", without=held.flag.flag_id).open == 1
    assert history.stream_record("other").total == 0


def test_a_note_is_read_as_it_was_typed(desk, put, history):
    put(flag(1))
    lease = desk.claim("ana")
    note = '<b>„ü“</b>\n"quoted" \\ \u2028 \U0001f94a'
    sent = decision(lease.flag.flag_id, "ana", lease.epoch).model_copy(update={"note": note})
    desk.decide(sent)
    (event,) = history.since(LONG_AGO)
    assert event.decision == sent
