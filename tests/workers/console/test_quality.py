"""The quality page over real decisions."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.decisions import Verdict
from schemas.flags import AuditSample
from tests.workers.console.flags import enqueue
from tests.workers.review.flags import decision, flag
from workers.console.people import Role

VIOLENT, NOT = Verdict.VIOLENT, Verdict.NOT_VIOLENT


@pytest.fixture
def eva(signed):
    return signed("eva", Role.SUPERVISOR)


def raised(parts, number: int, **changes):
    at = datetime.now(UTC) - timedelta(hours=2, seconds=number)
    found = flag(number, onset_at=at, opened_at=at, last_at=at, **changes)
    enqueue(parts, found)
    return found


def judged(parts, *verdicts, second: bool = False):
    """Lets people decide what waits, one verdict each."""
    for number, verdict in enumerate(verdicts):
        reviewer = ("ana", "ben")[number] if second else "ana"
        lease = parts.desk.claim(reviewer)
        parts.desk.decide(decision(lease.flag.flag_id, reviewer, lease.epoch, verdict))


def test_without_decisions_there_is_no_number_and_it_says_what_is_missing(eva):
    page = eva.get("/quality").text
    assert page.count("Not enough data") == 4
    for text in ("nothing was decided yet", "needs 50 decided audit samples", "judged by two"):
        assert text in page
    assert '<svg class="plot' not in page


def test_precision_is_the_share_of_decided_flags_that_people_found_violent(eva, parts):
    for number in range(4):
        raised(parts, number)
    judged(parts, VIOLENT, VIOLENT, VIOLENT, NOT)
    page = eva.get("/quality?over=day").text
    assert "75\u202f%" in page
    assert "30\u201395\u202f%, of 4 decided flags" in page, "Wilson's interval of 3 of 4"
    assert page.count('<svg class="plot') == 2, "one for wide screens, one for narrow ones"
    assert "tiny 1" in page


def test_verdicts_that_were_taken_back_do_not_count(eva, parts):
    raised(parts, 1)
    lease = parts.desk.claim("ana")
    parts.desk.decide(decision(lease.flag.flag_id, "ana", lease.epoch, NOT))
    _, again = parts.desk.undo(lease.flag.flag_id, "ana")
    parts.desk.decide(decision(lease.flag.flag_id, "ana", again.epoch, VIOLENT))
    assert "of 1 decided flags" in eva.get("/quality").text


def test_two_verdicts_count_as_agreement_and_as_overturned(eva, parts):
    for number in range(12):
        raised(parts, number)
    wanted = [entry for entry, _ in parts.desk.waiting()]
    for number, flag_id in enumerate(wanted):
        parts.desk.move(flag_id, "ready", "eva", second_review=True)
        judged(parts, VIOLENT, NOT if number % 3 == 0 else VIOLENT, second=True)
    while lease := parts.desk.claim("eva", pools=("escalated",)):
        parts.desk.decide(
            decision(lease.flag.flag_id, "eva", lease.epoch, NOT), may=("ready", "escalated")
        )
    page = eva.get("/quality").text
    assert "over 12 flags" in page
    assert "4 of" not in page
    assert "33\u202f%" in page, "four of twelve first verdicts were overturned"
    assert "ana, ben" in page


def test_audit_samples_give_recall_and_leave_precision_alone(eva, parts):
    raised(parts, 0, looks=30)
    judged(parts, VIOLENT)
    for number in range(1, 61):
        raised(parts, number, looks=1, audit=AuditSample(probability=0.5, stratum="calm"))
    judged(parts, *[NOT] * 60)
    page = eva.get("/quality").text
    assert "of 1 decided flags" in page
    assert "from 60 audit samples" in page
    # 60 samples without violence: at most 3.689 of them, each for two frames, beside 30 found.
    assert "at least 80\u202f%" in page
    assert "It does not say that nothing is missed" in page


def test_figures_are_worked_out_once_a_minute(eva, parts):
    raised(parts, 1)
    judged(parts, VIOLENT)
    first = eva.get("/quality").text
    raised(parts, 2)
    judged(parts, NOT)
    assert "of 1 decided flags" in first
    assert "of 1 decided flags" in eva.get("/quality").text


def test_an_unknown_span_of_time_is_the_usual_one(eva):
    assert 'href="/quality?over=week" aria-current="true"' in eva.get("/quality?over=<b>").text


@pytest.mark.parametrize("role", [Role.REVIEWER, Role.SENIOR, Role.ADMIN])
def test_only_supervisors_and_auditors_see_quality(signed, role):
    assert signed("ana", role).get("/quality").status_code == 403


def test_an_auditor_sees_quality(signed):
    assert signed("kim", Role.AUDITOR).get("/quality").status_code == 200
