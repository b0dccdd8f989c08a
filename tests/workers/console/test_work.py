"""The work page without a script: claim, decide, undo, and whatever can go wrong in between."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from limits import RateLimitItemPerMinute

from schemas.decisions import Verdict
from schemas.policies import DEFAULT_POLICIES
from tests.workers.console.flags import enqueue, held_id, hidden, store_flag, take
from tests.workers.review.flags import flag
from workers.console.people import Role
from workers.console.rates import Kind
from workers.console.verdicts import refused_text
from workers.review.answers import Answer, FlagState

VIOLENT, GAME = "violent:violence", "not_violent:game"


@pytest.fixture
def ana(signed):
    return signed("ana")


@pytest.fixture
def ben(signed):
    return signed("ben")


def test_looking_at_the_page_claims_nothing(ana, parts):
    enqueue(parts, flag(1))
    assert "1 flag waits" in ana.get("/work").text
    assert parts.board.counts().ready == 1


def test_the_first_address_leads_to_the_guide_until_somebody_decided_then_to_work(ana, parts):
    enqueue(parts, flag(1))
    assert ana.get("/").headers["location"] == "/guide"
    flag_id, form = take(ana)
    ana.post(f"/work/{flag_id}/decide", choice="unsure", **form)
    assert ana.get("/").headers["location"] == "/work"


def test_who_decides_nothing_begins_at_the_first_page_of_theirs(signed):
    assert signed("kim", Role.AUDITOR).get("/").headers["location"] == "/queue"


def test_a_flag_is_claimed_by_a_press_and_shown_with_its_facts(ana, parts):
    kept = store_flag(parts, 7, viewers=1234)
    flag_id, _ = take(ana)
    page = ana.get("/work").text
    assert flag_id == kept.flag_id
    for fact in ("Physical violence?", "s7", "1\u202f234", "0.90", "threshold 0.80", "tiny 1"):
        assert fact in page
    assert "Live now" in page


def test_a_refreshed_page_shows_the_same_flag(ana, parts):
    enqueue(parts, flag(1), flag(2))
    first, _ = take(ana)
    assert take(ana)[0] == first


def test_an_empty_queue_says_so(ana):
    ana.get("/work")
    ana.post("/work/next")
    assert "Nothing waits for you right now." in ana.get("/work").text


def test_a_decision_is_recorded_and_the_next_flag_is_there(ana, parts):
    enqueue(parts, flag(1), flag(2))
    flag_id, form = take(ana)
    assert ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, note="two men", **form).is_redirect
    page = ana.get("/work").text
    assert "Recorded: violent, physical violence." in page
    assert held_id(page) not in ("", flag_id)
    (event,) = parts.history.mine("ana")
    assert (event.decision.policy, event.decision.note) == ("violence", "two men")


def test_stopping_after_a_decision_claims_no_other(ana, parts):
    enqueue(parts, flag(1), flag(2))
    flag_id, form = take(ana)
    ana.post(f"/work/{flag_id}/decide", choice=GAME, then="stop", **form)
    assert held_id(ana.get("/work").text) == ""
    assert parts.board.counts().leased == 0


def test_an_unsure_verdict_goes_to_a_senior(ana, signed, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    ana.post(f"/work/{flag_id}/decide", choice="unsure", **form)
    assert "Passed on: a senior decides." in ana.get("/work").text
    assert take(signed("lee", Role.SENIOR))[0] == flag_id


def test_a_double_click_is_one_decision(ana, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    with ThreadPoolExecutor(4) as clicks:
        answers = list(
            clicks.map(
                lambda _: ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form), range(4)
            )
        )
    assert {answer.status_code for answer in answers} == {303}
    assert [event["event"] for event in parts.desk.log()].count("decision") == 1


def test_a_post_that_is_sent_again_says_that_it_was_taken(ana, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    for _ in range(2):
        ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    assert "recorded already" in ana.get("/work").text


def test_two_tabs_with_different_verdicts_are_told_apart(ana, parts):
    enqueue(parts, flag(1))
    flag_id, first = take(ana)
    second = hidden(ana.get("/work").text)
    assert first["request"] != second["request"]
    ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **first)
    late = ana.post(f"/work/{flag_id}/decide", choice=GAME, note="a game", **second)
    assert late.status_code == 409
    assert "You decided it as violent in the meantime. Yours was not recorded." in late.text
    assert "a game" in late.text


def test_an_undone_decision_is_held_again(ana, parts):
    enqueue(parts, flag(1), flag(2))
    flag_id, form = take(ana)
    ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    assert "Undo" in ana.get("/work").text
    ana.post("/work/undo", flag_id=flag_id)
    page = ana.get("/work").text
    assert held_id(page) == flag_id
    assert "Taken back. You hold the flag again." in page
    ana.post(f"/work/{flag_id}/decide", choice=GAME, **hidden(page))
    assert parts.board.record(flag_id).verdict is Verdict.NOT_VIOLENT


def test_a_second_verdict_is_not_mended_once_the_first_is_known(ana, ben, parts):
    """A difference shows at once; undoing must not be a way to agree after all."""
    enqueue(parts, flag(1))
    parts.desk.move(flag(1).flag_id, "ready", "sue", second_review=True)
    for browser, choice in ((ana, VIOLENT), (ben, GAME)):
        flag_id, form = take(browser)
        browser.post(f"/work/{flag_id}/decide", choice=choice, **form)
    ben.post("/work/undo", flag_id=flag_id)
    page = ben.get("/work").text
    assert "Taken back. It was the second of two verdicts, so a senior decides now." in page
    assert held_id(page) == ""
    assert parts.board.record(flag_id).is_escalated


def test_undoing_too_late_says_so(ana, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    key = f"fq:{{{parts.redis.queue}}}:f:{flag_id}"
    parts.desk._redis.hincrby(key, "t_last", -60_000)
    ana.post("/work/undo", flag_id=flag_id)
    assert "Too late to undo" in ana.get("/work").text


def test_nobody_undoes_what_somebody_else_decided(ana, ben, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    ben.get("/work")
    ben.post("/work/undo", flag_id=flag_id)
    assert "Somebody else decided this one." in ben.get("/work").text
    assert parts.board.record(flag_id).state is FlagState.DECIDED


def lapse(parts, flag_id: str) -> None:
    """Ends a lease at once, as if its time were over."""
    prefix = f"fq:{{{parts.redis.queue}}}:"
    parts.desk._redis.zadd(prefix + "leased", {flag_id: 1})


def test_a_lost_lease_says_who_has_the_flag_and_keeps_the_note(ana, ben, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    lapse(parts, flag_id)
    assert take(ben)[0] == flag_id
    late = ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, note="I saw a <knife>", **form)
    assert late.status_code == 409
    assert "Your lease ended and ben has the flag now. Nothing was recorded." in late.text
    assert "I saw a &lt;knife&gt;" in late.text
    assert "I saw a &lt;knife&gt;" in ana.get("/work").text


def test_a_late_verdict_counts_while_nobody_else_began(ana, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    lapse(parts, flag_id)
    assert ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form).is_redirect
    assert parts.board.record(flag_id).verdict is Verdict.VIOLENT


def test_somebody_elses_decision_is_named_to_a_late_one(ana, ben, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    lapse(parts, flag_id)
    _, theirs = take(ben)
    ben.post(f"/work/{flag_id}/decide", choice=GAME, **theirs)
    late = ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    assert "ben decided it as not violent in the meantime" in late.text


def test_a_flag_that_is_gone_says_so(ana, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    parts.desk._redis.delete(f"fq:{{{parts.redis.queue}}}:f:{flag_id}")
    late = ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, note="still here", **form)
    assert "not in the queue any more" in late.text
    assert "still here" in late.text


@pytest.mark.parametrize("length", [2001, 100_000])
def test_a_note_that_is_too_long_is_refused_and_kept(ana, parts, length):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    note = "n" * length
    refused = ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, note=note, **form)
    assert refused.status_code == 422
    assert f"The note has {length:,} characters; 2,000 fit." in refused.text
    assert note in refused.text
    assert parts.board.record(flag_id).state is FlagState.LEASED


def test_a_note_of_exactly_the_limit_fits_however_the_browser_ends_lines(ana, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    note = ("n" * 9 + "\r\n") * 200
    assert ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, note=note, **form).is_redirect
    assert len(parts.history.mine("ana")[0].decision.note) == 1999


def test_markup_in_titles_and_notes_is_text(ana, parts):
    found = flag(1)
    metadata = found.metadata.model_copy(update={"title": "<script>alert(1)</script>"})
    enqueue(parts, found.model_copy(update={"metadata": metadata}))
    flag_id, form = take(ana)
    page = ana.post(
        f"/work/{flag_id}/decide", choice="", note="</textarea><script>x()</script>", **form
    ).text
    assert "<script>alert(1)" not in page
    assert "<script>x()" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("", "No verdict was chosen"),
        ("violent", "Policy of no name is not in force"),
        ("violent:V99", "Policy V99 is not in force"),
        ("not_violent:dream", "No reason was chosen"),
        ("perhaps", "No verdict was chosen"),
    ],
)
def test_a_form_that_says_nothing_changes_nothing(ana, parts, choice, said):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    refused = ana.post(f"/work/{flag_id}/decide", choice=choice, note="kept", **form)
    assert (refused.status_code, said in refused.text, "kept" in refused.text) == (422, True, True)
    assert parts.board.record(flag_id).state is FlagState.LEASED


def test_a_policy_that_was_taken_out_of_force_is_no_verdict(ana, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    kept = [policy for policy in DEFAULT_POLICIES.policies if policy.code != "gore"]
    parts.policies.save(kept, "sue", 0)
    refused = ana.post(f"/work/{flag_id}/decide", choice="violent:gore", **form)
    assert "Policy gore is not in force: the policies changed." in refused.text


@pytest.mark.parametrize("changes", [{"request": "forged"}, {"request": ""}, {"epoch": "7"}])
def test_a_form_of_another_claim_or_session_records_nothing(ana, parts, changes):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    refused = ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **(form | changes))
    assert "Nothing was recorded." in refused.text
    assert parts.board.record(flag_id).state is FlagState.LEASED


def test_another_persons_form_records_nothing(ana, ben, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    ben.get("/work")
    refused = ben.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    assert "not of this session" in refused.text


def test_an_escalated_flag_is_no_reviewers_to_decide(ana, parts):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    parts.desk.move(flag_id, "escalated", "sue")
    refused = ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    assert refused.status_code == 409
    assert parts.board.record(flag_id).state is FlagState.READY


def test_a_second_reviewer_is_not_shown_the_first_verdict(signed, parts):
    enqueue(parts, flag(1))
    ana, ben = signed("ana"), signed("ben")
    flag_id, form = take(ana)
    parts.desk.move(flag_id, "ready", "sue", second_review=True)
    _, form = take(ana)
    ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, note="blood", **form)
    assert "Somebody else looks too" in ana.get("/work").text
    assert take(ben)[0] == flag_id
    page = ben.get("/work").text.replace("is-violent", "").replace("violent:violence", "")
    assert "blood" not in page
    assert "ana</option>" in page
    assert page.count("ana") == 1, "only as somebody a flag can be handed to"


def test_nobody_is_given_flags_too_fast(signed, parts):
    enqueue(parts, flag(1))
    parts.rates._items[Kind.CLAIM] = RateLimitItemPerMinute(1)
    ana = signed("ana")
    ana.get("/work")
    ana.post("/work/next")
    assert ana.post("/work/next").status_code == 429


def test_a_queue_that_is_away_is_no_empty_queue_and_keeps_the_note(ana, parts, redis_server):
    enqueue(parts, flag(1))
    flag_id, form = take(ana)
    redis_server.stop()
    try:
        assert ana.get("/work").status_code == 503
        refused = ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, note="kept safe", **form)
    finally:
        redis_server.start()
    assert refused.status_code == 503
    assert "it is not empty" in refused.text
    assert "kept safe" in refused.text


def test_a_break_is_suggested_instead_of_the_next_flag(ana, parts):
    enqueue(parts, flag(1), flag(2))
    flag_id, form = take(ana)
    for _ in range(parts.settings.exposure_prompt):
        parts.exposure.reserve("ana", "violence", timedelta(0))
    ana.post(f"/work/{flag_id}/decide", choice=VIOLENT, **form)
    page = ana.get("/work").text
    assert (held_id(page), "Time for a break" in page) == ("", True)
    ana.post("/care/break")
    assert "Time for a break" not in ana.get("/work").text


@pytest.mark.parametrize("answer", [answer for answer in Answer if not answer.is_taken])
def test_every_refusal_has_a_sentence(answer):
    assert refused_text(answer, None, None).endswith(".")
