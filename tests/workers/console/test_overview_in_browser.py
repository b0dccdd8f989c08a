"""The pages around the work page in a real browser: reachable, legible, and live."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from schemas.decisions import Verdict
from tests.workers.console.chromium import Desk, served
from tests.workers.console.flags import enqueue, store_flag
from tests.workers.review.flags import decision, flag
from workers.console.parts import ConsoleParts, made_parts
from workers.console.people import Role

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::ResourceWarning")]
EVERYTHING = (Role.SUPERVISOR, Role.ADMIN)
ROOM = "room/7"
PAGES = (
    "/queue", "/queue?stream=r", "/streams/room%2F7", "/streams/nobody", "/quality",
    "/settings", "/mine", "/guide", "/people",
)  # fmt: skip
OPEN_ALL = "document.querySelectorAll('details').forEach(one => one.open = true)"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


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
    assert made.complaints == [], "among them: what the content policy refused"


@pytest.fixture
def busy(parts):
    """Something in every part of every page."""
    for number in range(3):
        store_flag(parts, number, stream_id=ROOM)
    enqueue(parts, *(flag(number) for number in range(10, 18)))
    for reviewer, verdict in (("eva", Verdict.VIOLENT), ("ana", Verdict.NOT_VIOLENT)):
        lease = parts.desk.claim(reviewer)
        parts.desk.decide(decision(lease.flag.flag_id, reviewer, lease.epoch, verdict))
    parts.desk.claim("ben")
    (first, _), (second, _), *_ = parts.desk.waiting()
    parts.desk.park(first, "ana", "its pictures are gone")
    parts.desk.move(second, "escalated", "ana")
    parts.people.add("kim", [Role.AUDITOR], "Kim")
    parts.policies.save(parts.policies.current().policies, "eva", 0)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_no_page_has_a_serious_barrier_or_is_wider_than_the_screen(
    desk, parts, busy, width, colours
):
    viewport = {"width": width, "height": 860}
    page = desk.page("eva", *EVERYTHING, viewport=viewport, color_scheme=colours)
    for path in PAGES:
        page.goto(desk.address + path)
        page.evaluate(OPEN_ALL)
        found = Axe().run(page).response["violations"]
        serious = [one["id"] for one in found if one["impact"] in ("serious", "critical")]
        assert serious == [], path
        assert page.evaluate(OVERFLOW) <= 0, path


def test_an_untouched_queue_page_shows_new_flags_by_itself(desk, parts):
    page = desk.page("ana", clock=True)
    page.goto(desk.address + "/queue")
    expect(page.locator("#board")).to_contain_text("Nothing waits for a reviewer.")
    enqueue(parts, flag(1, stream_id="a-new-one"))
    page.clock.run_for(11_000)
    expect(page.locator("#board")).to_contain_text("a-new-one")


def test_a_queue_page_that_is_cut_off_says_that_its_figures_are_old(desk, parts):
    page = desk.page("ana", clock=True)
    page.goto(desk.address + "/queue")
    page.route("**/queue", lambda route: route.abort())
    page.clock.run_for(11_000)
    expect(page.locator("#board.is-away")).to_be_visible()


def test_several_flags_are_decided_by_keyboard_after_all_were_seen(desk, parts):
    for number in range(3):
        store_flag(parts, number, stream_id=ROOM)
    page = desk.page("eva", *EVERYTHING)
    page.goto(desk.address + "/streams/room%2F7")
    page.get_by_role("button", name="Choose all").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Verdict", exact=True).select_option("not_violent:game")
    page.get_by_role("button", name="Look at them").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Decide 3 flags")
    pictures = page.locator(".tile img")
    assert all(one.evaluate("img => img.naturalWidth > 0") for one in pictures.all())
    page.get_by_role("button", name="Yes, decide").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("3 of 3 recorded")


def test_policies_are_saved_and_conflicts_shown_without_a_script(desk, parts):
    first = desk.page("eva", Role.SUPERVISOR, script=False)
    second = desk.page("sam", Role.SUPERVISOR, script=False)
    for page in (first, second):
        page.goto(desk.address + "/settings")
    first.get_by_label("Seconds to review").first.fill("600")
    first.get_by_role("button", name="Save as version 1").click()
    expect(first.get_by_role("status").first).to_contain_text("Version 1 is in force.")
    second.get_by_label("Title").first.fill("Sam's own title")
    second.get_by_role("button", name="Save as version 1").click()
    expect(second.get_by_role("alert").first).to_contain_text("eva saved version 1")
    expect(second.get_by_label("Title").first).to_have_value("Sam's own title")


def test_the_guide_leads_to_the_first_flag_and_from_there_to_its_stream(desk, parts):
    store_flag(parts, 1, stream_id=ROOM)
    page = desk.page("ana")
    page.goto(desk.address + "/guide")
    page.keyboard.press("g")
    expect(page.locator("[data-work]")).to_be_visible()
    page.get_by_role("link", name="All flags of this stream").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(ROOM)
