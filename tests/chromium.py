"""Debian's Chromium, driven by Playwright: one for all tests, and what its pages complained of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.servers import missing

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        missing("Chromium (apt-get install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


def hear(page: Page, complaints: list[str]) -> None:
    """Adds what a page's scripts raise and what its content policy refuses to `complaints`."""

    def heard(message: ConsoleMessage) -> None:
        # Refused actions answer 4xx and 5xx on purpose, which Chromium reports as errors too.
        if message.type == "error" and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", heard)


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)
