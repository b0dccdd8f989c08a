"""The console on a port of this process, and people with pages of it in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page

from tests.chromium import hear
from tests.servers import wait_until
from workers.console.application import create_app
from workers.console.parts import ConsoleParts
from workers.console.people import Role
from workers.console.serving import listening
from workers.settings import ConsoleSettings


@pytest.fixture
def plain_settings(console_settings: ConsoleSettings) -> ConsoleSettings:
    """Settings of a console on plain http, on this machine."""
    return console_settings.model_copy(update={"public_url": None})


@contextmanager
def served(parts: ConsoleParts) -> Iterator[str]:
    """The console on a free loopback port; its address."""
    listener = listening("127.0.0.1", 0)
    config = uvicorn.Config(
        create_app(parts), log_level="warning", lifespan="off", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


class Desk:
    """Opens pages for people who are signed in, and keeps what the browser complained of."""

    def __init__(self, browser: Browser, address: str, parts: ConsoleParts) -> None:
        self.address = address
        self.complaints: list[str] = []
        self._browser = browser
        self._parts = parts
        self._contexts: list[BrowserContext] = []

    def page(
        self, name: str, *roles: Role, script: bool = True, clock: bool = False, **options: Any
    ) -> Page:
        """A page at `/work` in a browser of its own; with `clock`, its time can jump ahead."""
        options = {"viewport": {"width": 1280, "height": 860}} | options
        context = self._browser.new_context(java_script_enabled=script, **options)
        self._contexts.append(context)
        token = self._parts.sessions.open(name, roles or (Role.REVIEWER,), name, "link")
        context.add_cookies([{"name": "flagpost-session", "value": token, "url": self.address}])
        page = context.new_page()
        page.set_default_timeout(15_000)
        hear(page, self.complaints)
        if clock:
            page.clock.install()
        page.goto(f"{self.address}/work")
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()
