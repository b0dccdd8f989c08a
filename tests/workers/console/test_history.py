"""A person's own last decisions."""

import pytest

from schemas.decisions import Verdict
from tests.workers.console.flags import enqueue
from tests.workers.review.flags import decision, flag
from workers.review.answers import Pool


@pytest.fixture
def ana(signed):
    return signed("ana")


def judged(parts, reviewer, verdict=Verdict.VIOLENT, pools=(Pool.READY,)):
    lease = parts.desk.claim(reviewer, pools=pools)
    one = decision(lease.flag.flag_id, reviewer, lease.epoch, verdict)
    parts.desk.decide(one, may=(Pool.READY, Pool.ESCALATED))
    return lease.flag.flag_id


def test_who_decided_nothing_is_led_to_work(ana):
    page = ana.get("/mine").text
    assert "You have not decided a flag yet." in page
    assert 'href="/work"' in page


def test_own_verdicts_are_shown_and_nobody_elses(ana, parts):
    enqueue(parts, flag(1), flag(2))
    judged(parts, "ana")
    judged(parts, "ben")
    page = ana.get("/mine").text
    assert "/streams/s1" in page
    assert "/streams/s2" not in page
    assert "final" in page


def test_a_fresh_verdict_can_be_taken_back_from_the_list(ana, parts):
    enqueue(parts, flag(1))
    flag_id = judged(parts, "ana")
    assert f'name="flag_id" value="{flag_id}"' in ana.get("/mine").text
    assert ana.post("/work/undo", flag_id=flag_id).status_code == 303
    page = ana.get("/mine").text
    assert "taken back by you" in page
    assert f'value="{flag_id}"' not in page
    assert parts.desk.held_by("ana").flag.flag_id == flag_id


def test_the_second_verdict_stays_hidden_until_the_flag_is_decided(ana, parts):
    enqueue(parts, flag(1))
    parts.desk.move(flag(1).flag_id, Pool.READY, "eva", second_review=True)
    judged(parts, "ana", Verdict.VIOLENT)
    assert "somebody else looks, too" in ana.get("/mine").text
    judged(parts, "ben", Verdict.NOT_VIOLENT)
    page = ana.get("/mine").text
    assert "a senior decides" in page
    assert "not violent" not in page
    judged(parts, "eva", Verdict.NOT_VIOLENT, pools=(Pool.ESCALATED,))
    assert "ended otherwise: not violent" in ana.get("/mine").text


def test_notes_with_markup_stay_text(ana, parts):
    enqueue(parts, flag(1))
    lease = parts.desk.claim("ana")
    one = decision(lease.flag.flag_id, "ana", lease.epoch)
    parts.desk.decide(one.model_copy(update={"note": "<script>alert(1)</script>"}))
    page = ana.get("/mine").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


def test_at_most_twenty_are_shown(ana, parts):
    enqueue(parts, *(flag(number) for number in range(25)))
    for _ in range(25):
        judged(parts, "ana")
    assert ana.get("/mine").text.count("/streams/s") == 20
