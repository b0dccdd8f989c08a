"""The work page in a real browser: keyboard only, no script, two at once, and when things fail."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from schemas.decisions import Verdict
from tests.chromium import press
from tests.servers import wait_until
from tests.workers.console.chromium import Desk, served
from tests.workers.console.flags import enqueue, store_flag
from tests.workers.console.test_work import lapse
from tests.workers.review.flags import flag
from workers.console.audit import entries, verify
from workers.console.blur import blurred
from workers.console.parts import ConsoleParts, made_parts
from workers.console.people import Role
from workers.review.answers import FlagState

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
SERIOUS = {"serious", "critical"}


@pytest.fixture
def parts(plain_settings, redis_settings, evidence_settings) -> Iterator[ConsoleParts]:
    made = made_parts(plain_settings, redis_settings, evidence_settings)
    yield made
    made.close()


@pytest.fixture
def desk(chromium, parts) -> Iterator[Desk]:
    with served(parts) as address:
        made = Desk(chromium, address, parts)
        yield made
        made.close()
    assert made.complaints == []


def held(page: Page) -> str:
    return page.get_attribute("[data-work]", "data-work") or ""


def said(page: Page, text: str) -> None:
    expect(page.locator("[data-said]")).to_contain_text(text)


def test_a_flag_is_revealed_noted_and_decided_by_keyboard_only(desk, parts):
    first, second = store_flag(parts, 1), store_flag(parts, 2)
    page = desk.page("ana")
    press(page, "g")
    expect(page.locator("#flag-title")).to_be_focused()
    assert held(page) == first.flag_id
    press(page, "r")
    expect(page.locator("#stage")).to_have_attribute("data-level", "grey")
    press(page, "r")
    expect(page.locator("#stage")).to_have_attribute("data-level", "colour")
    press(page, "b")
    expect(page.locator("#stage")).to_have_attribute("data-level", "blurred")
    press(page, "t")
    page.keyboard.type("vnus, all keys of their own")
    press(page, "Escape", "v", "2")
    said(page, "Recorded: violent, weapon or threat.")
    expect(page.locator("#flag-title")).to_be_focused()
    assert held(page) == second.flag_id
    (event,) = parts.history.mine("ana")
    assert (event.decision.policy, event.decision.note) == (
        "weapon",
        "vnus, all keys of their own",
    )


def test_a_slip_is_undone_by_a_key(desk, parts):
    enqueue(parts, flag(1), flag(2))
    page = desk.page("ana")
    press(page, "g")
    expect(page.locator("[data-work]")).to_be_visible()
    slip = held(page)
    press(page, "n", "1")
    said(page, "Recorded: not violent, game.")
    press(page, "z")
    expect(page.locator(f"[data-work='{slip}']")).to_be_visible()
    assert parts.board.record(slip).state is FlagState.LEASED


def test_a_digit_alone_or_a_held_key_decides_nothing(desk, parts):
    enqueue(parts, flag(1))
    page = desk.page("ana")
    press(page, "g")
    expect(page.locator("[data-work]")).to_be_visible()
    press(page, "1", "Control+v", "1", "v", "Escape", "1")
    page.dispatch_event("body", "keydown", {"key": "v", "repeat": True})
    press(page, "1")
    assert parts.board.record(flag(1).flag_id).state is FlagState.LEASED


def test_everything_works_without_a_script(desk, parts):
    first = store_flag(parts, 1)
    store_flag(parts, 2)
    page = desk.page("ana", script=False)
    page.get_by_role("button", name="Get a flag").click()
    page.get_by_label("Note").fill("kept over a reveal")
    page.get_by_role("button", name="Grey").click()
    assert page.get_attribute("#stage", "data-level") == "grey"
    assert page.get_by_label("Note").input_value() == "kept over a reveal"
    page.get_by_role("button", name="Clip").click()
    assert page.locator("video[muted]:not([autoplay])").count() == 1
    page.get_by_role("button", name=re.compile("Picture 1 of 2")).click()
    assert page.get_attribute("#stage", "data-level") == "blurred"
    page.get_by_role("button", name="Extend").click()
    assert "Yours for 3 min" in page.inner_text("[data-said]")
    page.get_by_role("button", name="Sport").click()
    assert "Recorded: not violent, sport." in page.inner_text("[data-said]")
    page.get_by_role("button", name="Undo").click()
    assert held(page) == first.flag_id
    page.get_by_role("button", name="Skip").click()
    assert held(page) != first.flag_id
    page.get_by_role("button", name="Break").click()
    assert page.get_by_role("button", name="Get the next flag").is_visible()


def test_two_reviewers_never_have_the_same_flag(desk, parts):
    enqueue(parts, *(flag(number) for number in range(6)))
    ana, ben = desk.page("ana"), desk.page("ben")
    press(ana, "g")
    press(ben, "g")
    for round_number in range(3):
        expect(ana.locator("[data-work]")).to_be_visible()
        expect(ben.locator("[data-work]")).to_be_visible()
        assert held(ana) != held(ben)
        for page in (ana, ben):
            before = held(page)
            press(page, "v", "1")
            expect(page.locator(f"[data-work='{before}']")).to_have_count(0)
        assert parts.board.counts().decided == 2 * (round_number + 1)


def test_a_lost_lease_is_said_at_once_and_the_note_stays(desk, parts):
    enqueue(parts, flag(1))
    page = desk.page("ana")
    press(page, "g")
    expect(page.locator("[data-work]")).to_be_visible()
    flag_id = held(page)
    press(page, "t")
    page.keyboard.type("half a thought")
    press(page, "Escape")
    lapse(parts, flag_id)
    assert parts.desk.claim("ben").flag.flag_id == flag_id
    press(page, "e")
    expect(page.locator("[data-notice]")).to_contain_text("ben has the flag now")
    expect(page.locator("#live-urgent")).to_contain_text("ben has the flag now")
    assert page.input_value("#note") == "half a thought"
    press(page, "v", "1")
    expect(page.locator("[data-problem]")).to_contain_text("Nothing was recorded")
    expect(page.locator("textarea")).to_have_value("half a thought")


def later(page: Page, seconds: int) -> None:
    """Lets the browser's clock jump ahead, as after a sleep."""
    page.clock.fast_forward(seconds * 1000)


def test_an_active_page_renews_its_lease(desk, parts):
    enqueue(parts, flag(1))
    page = desk.page("ana", clock=True)
    press(page, "g")
    expect(page.locator("[data-work]")).to_be_visible()
    first = parts.desk.held_by("ana").ends_at
    later(page, 100)
    press(page, "Shift")
    wait_until(lambda: parts.desk.held_by("ana").ends_at > first)


def test_a_page_that_nobody_is_at_warns_a_minute_ahead_and_one_key_extends(desk, parts):
    enqueue(parts, flag(1))
    page = desk.page("ana", clock=True)
    press(page, "g")
    expect(page.locator("[data-work]")).to_be_visible()
    first = parts.desk.held_by("ana").ends_at
    later(page, 118)
    expect(page.locator("#lease")).not_to_have_class(re.compile("is-ending"))
    later(page, 10)
    expect(page.locator("#lease")).to_have_class(re.compile("is-ending"))
    expect(page.locator("#live-urgent")).to_contain_text("Press E to extend")
    assert parts.desk.held_by("ana").ends_at == first
    press(page, "e")
    expect(page.locator("#lease")).not_to_have_class(re.compile("is-ending"))
    wait_until(lambda: parts.desk.held_by("ana").ends_at > first)


def test_a_page_that_nobody_is_at_lets_its_lease_end(desk, parts):
    enqueue(parts, flag(1))
    page = desk.page("ana", clock=True)
    press(page, "g")
    expect(page.locator("[data-work]")).to_be_visible()
    first = parts.desk.held_by("ana").ends_at
    later(page, 200)
    expect(page.locator("[data-notice]")).to_contain_text("lease ended while you were away")
    assert parts.desk.held_by("ana").ends_at == first


def test_a_queue_that_goes_away_costs_nothing_that_was_typed(desk, parts, redis_server):
    enqueue(parts, flag(1))
    page = desk.page("ana")
    press(page, "g")
    expect(page.locator("[data-work]")).to_be_visible()
    press(page, "t")
    page.keyboard.type("typed before the crash")
    press(page, "Escape")
    redis_server.stop()
    try:
        press(page, "v", "1")
        expect(page.locator("[data-notice]")).to_contain_text("queue does not answer")
        assert page.input_value("#note") == "typed before the crash"
    finally:
        redis_server.start()


def test_a_second_review_is_blind_and_a_senior_settles_it(desk, parts):
    store_flag(parts, 1)
    parts.desk.move(flag(1).flag_id, "ready", "sue", second_review=True)
    ana = desk.page("ana")
    press(ana, "g")
    expect(ana.locator("[data-work]")).to_be_visible()
    press(ana, "v", "1")
    said(ana, "Somebody else looks too")
    ben = desk.page("ben")
    press(ben, "g")
    expect(ben.locator("[data-work]")).to_be_visible()
    assert "ana" not in ben.inner_text(".work-head, .evidence")
    press(ben, "n", "1")
    said(ben, "Two verdicts differ, so a senior decides.")
    lee = desk.page("lee", Role.SENIOR)
    press(lee, "g")
    expect(lee.locator("[data-work]")).to_be_visible()
    expect(lee.locator("#flag-title")).to_contain_text("Escalated")
    press(lee, "v", "1")
    said(lee, "Recorded: violent")
    assert parts.board.record(flag(1).flag_id).verdict is Verdict.VIOLENT


def test_no_clear_byte_reaches_the_browser_without_an_entry_in_the_log(desk, parts):
    kept = store_flag(parts, 1)
    store_flag(parts, 2)
    page = desk.page("ana")
    allowed = {blurred(parts.evidence.get(one.key)) for one in kept.evidence.pictures}
    clear: list[str] = []

    def arrived(answer) -> None:
        if "/media/" not in answer.url or answer.status not in (200, 206):
            return
        is_clip = answer.headers["content-type"].startswith("video/")
        if is_clip or answer.body() not in allowed:
            clear.append(answer.url)

    page.on("response", arrived)
    press(page, "g")
    expect(page.locator("#flag-title")).to_be_focused()
    page.wait_for_load_state("networkidle")
    assert clear == []
    for key, level in (("r", "grey"), ("r", "colour"), ("p", "clip")):
        press(page, key)
        expect(page.locator("#stage")).to_have_attribute("data-level", level)
    press(page, "p")
    press(page, "v", "1")
    said(page, "Recorded")
    logged = [e for e in entries(parts.audit.path) if e["action"] == "media.get"]
    assert len(clear) >= 3
    assert len(logged) >= len(clear)
    assert {e["detail"]["level"] for e in logged} == {"grey", "colour", "clip"}
    verify(parts.audit.path)


def test_pictures_are_blurred_again_when_nobody_looks(desk, parts):
    store_flag(parts, 1)
    page = desk.page("ana")
    press(page, "g")
    expect(page.locator("#flag-title")).to_be_focused()
    press(page, "r")
    expect(page.locator("#stage")).to_have_attribute("data-level", "grey")
    page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {value: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    expect(page.locator("#stage")).to_have_attribute("data-level", "blurred")


def test_a_flag_taken_from_the_guide_shows_where_one_is_and_how_many_wait(desk, parts):
    enqueue(parts, flag(1), flag(2))
    page = desk.page("ana")
    page.goto(f"{desk.address}/guide")
    press(page, "g")
    expect(page.locator("#flag-title")).to_be_focused()
    expect(page.locator(".nav [aria-current]")).to_have_text("Work")
    expect(page.locator("[data-count-of=waiting]")).to_have_text("1")


def test_counts_arrive_by_themselves(desk, parts):
    page = desk.page("ana")
    expect(page.locator("[data-count-of=waiting]")).to_have_text("0")
    enqueue(parts, flag(1), flag(2))
    expect(page.locator("[data-count-of=waiting]")).to_have_text("2")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_serious_and_nothing_runs_over(desk, parts, scheme, width):
    store_flag(parts, 1)
    options = {"viewport": {"width": width, "height": 860}, "color_scheme": scheme}
    page = desk.page("ana", **options, bypass_csp=True)
    check(page)
    press(page, "g")
    expect(page.locator("[data-work]")).to_be_visible()
    check(page)
    press(page, "v", "1")
    said(page, "Recorded")
    check(page)
    page.goto(f"{desk.address}/care")
    check(page)


def check(page: Page) -> None:
    found = [
        f"{one['id']}: {one['nodes'][0]['html'][:200]}"
        for one in Axe().run(page).response["violations"]
        if one["impact"] in SERIOUS
    ]
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
