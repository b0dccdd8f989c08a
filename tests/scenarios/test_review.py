"""From video to verdict: a worker flags it, a person in a browser decides it, the logs know."""

import io
import re
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Response, expect

from schemas.decisions import Decision, Reason, Verdict
from tests.chromium import hear, press
from tests.scenarios.bench_of_streams import Bench
from tests.scenarios.running_console import RunningConsole
from tests.servers import wait_until
from workers.console.audit import entries
from workers.review.history import DecisionHistory, FlagFacts

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

STREAMS = ("east", "west")
SECONDS = 12


@pytest.fixture
def flagged(fast_bench: Bench) -> Bench:
    """A bench whose worker has flagged one incident of each of two streams, with evidence."""
    fast_bench.worker()
    fast_bench.publish_seconds(STREAMS, 0, SECONDS)
    fast_bench.end_streams(STREAMS, SECONDS)
    wait_until(lambda: len(fast_bench.flags()) == len(STREAMS), 60)
    wait_until(lambda: all(flag.closed for flag in fast_bench.flags()), 60)
    assert all(flag.evidence.pictures and flag.evidence.clip for flag in fast_bench.flags())
    return fast_bench


@pytest.fixture
def console(flagged) -> Iterator[RunningConsole]:
    made = RunningConsole(flagged.environment, flagged.directory / "console.log")
    yield made
    made.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[Any]:
    """`open_page(script=False)`: a page in a browser of its own; it must not complain."""
    contexts, complaints = [], list[str]()

    def opened(script: bool = True) -> Page:
        context = chromium.new_context(java_script_enabled=script)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        hear(page, complaints)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


class Pictures:
    """Pictures as they reached a page: which had colour, told by their bytes."""

    def __init__(self, page: Page) -> None:
        self.arrived = 0
        self.with_colour = 0
        page.on("response", self._take)

    def _take(self, response: Response) -> None:
        if "/media/" not in response.url or response.status != 200:
            return
        pixels = Image.open(io.BytesIO(response.body())).convert("RGB").resize((1, 1))
        red, green, blue = pixels.tobytes()
        self.arrived += 1
        self.with_colour += max(red, green, blue) - min(red, green, blue) > 30


def held(page: Page) -> str:
    return page.get_attribute("[data-work]", "data-work") or ""


def only_decision(bench: Bench, reviewer: str) -> tuple[Decision, FlagFacts]:
    """What the queue's log says that somebody decided, and of which flag."""
    history = DecisionHistory(bench.redis)
    (event,) = history.mine(reviewer)
    history.close()
    assert event.decision is not None
    assert event.facts is not None
    return event.decision, event.facts


def audited(console: RunningConsole, actor: str) -> list[tuple[str, str, str]]:
    """What the audit log says of somebody: action, subject, outcome."""
    assert ": whole; " in console.verify_audit_log()
    found = [one for one in entries(console.audit_log) if one["actor"] == actor]
    return [(one["action"], one["subject"], one["outcome"]) for one in found]


def test_by_keyboard_alone_a_workers_flag_becomes_a_decision(flagged, console, open_page):
    waiting = {flag.flag_id for flag in flagged.flags()}
    page = open_page()
    pictures = Pictures(page)
    page.goto(console.link("ana"))
    press(page, "Enter")
    expect(page.get_by_role("heading", name="How it works")).to_be_visible()
    press(page, "g")
    expect(page.locator("#flag-title")).to_be_focused()
    page.wait_for_load_state("networkidle")
    flag_id = held(page)
    assert flag_id in waiting
    assert pictures.arrived > 0
    assert pictures.with_colour == 0

    press(page, "r")
    expect(page.locator("#stage")).to_have_attribute("data-level", "grey")
    assert pictures.with_colour == 0
    press(page, "r")
    expect(page.locator("#stage")).to_have_attribute("data-level", "colour")
    wait_until(lambda: page.title() and pictures.with_colour == 1)

    press(page, "v", "1")
    expect(page.locator("[data-said]")).to_contain_text("Recorded: violent")
    expect(page.locator("#flag-title")).to_be_focused()
    assert held(page) not in ("", flag_id)

    decision, facts = only_decision(flagged, "ana")
    assert (decision.flag_id, decision.verdict) == (flag_id, Verdict.VIOLENT)
    assert decision.policy == "violence"
    assert facts.stream_id in STREAMS
    logged = audited(console, "ana")
    for action in ("flag.reveal", "media.get", "flag.decide"):
        assert (action, flag_id, "ok") in logged
    assert [entry[0] for entry in logged].count("flag.reveal") == 2


def test_without_a_script_a_workers_flag_becomes_a_decision(flagged, console, open_page):
    page = open_page(script=False)
    pictures = Pictures(page)
    page.goto(console.link("ben"))
    page.get_by_role("button", name="Sign in and start").click()
    page.get_by_role("button", name="Start").click()
    page.wait_for_load_state("networkidle")
    flag_id = held(page)
    assert pictures.arrived > 0
    assert pictures.with_colour == 0

    page.get_by_role("button", name=re.compile("^Colour")).click()
    page.wait_for_load_state("networkidle")
    assert page.get_attribute("#stage", "data-level") == "colour"
    assert pictures.with_colour == 1

    page.get_by_label("Note").fill("a red wall, nobody in it")
    page.get_by_role("button", name="Other").click()
    expect(page.locator("[data-said]")).to_contain_text("Recorded: not violent")
    assert held(page) not in ("", flag_id)

    decision, _ = only_decision(flagged, "ben")
    assert (decision.flag_id, decision.verdict) == (flag_id, Verdict.NOT_VIOLENT)
    assert decision.reason is Reason.OTHER
    assert decision.note == "a red wall, nobody in it"
    assert ("flag.decide", flag_id, "ok") in audited(console, "ben")
