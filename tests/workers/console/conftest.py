"""A console over a real Redis: its parts, its application, and browsers that are signed in."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient

from tests.workers.console.browsers import Browser
from tests.workers.console.chromium import plain_settings
from workers.console.access import Signed, needs
from workers.console.application import create_app
from workers.console.audit import entries
from workers.console.parts import ConsoleParts, made_parts
from workers.console.people import Person, Right, Role
from workers.settings import ConsoleSettings, EvidenceSettings

__all__ = ["plain_settings"]

probes = APIRouter()


@probes.api_route("/probe", methods=["GET", "POST"])
def who_asks(person: Signed) -> dict[str, Any]:
    return {"name": person.name, "roles": sorted(person.roles), "session": person.session}


for _right in Right:

    @probes.api_route(f"/probe/{_right.name}", methods=["GET", "POST"])
    def who_may(person: Annotated[Person, Depends(needs(_right))]) -> dict[str, Any]:
        return {"name": person.name}


@pytest.fixture
def console_settings(tmp_path: Path) -> ConsoleSettings:
    return ConsoleSettings(
        state=tmp_path / "state",
        public_url="https://console.test",
        claims_per_minute=100_000,
        sign_ins_per_minute=100_000,
    )


@pytest.fixture
def evidence_settings(tmp_path: Path) -> EvidenceSettings:
    return EvidenceSettings(url=str(tmp_path / "evidence"))


@pytest.fixture
def parts(console_settings, redis_settings, evidence_settings) -> Iterator[ConsoleParts]:
    made = made_parts(console_settings, redis_settings, evidence_settings)
    yield made
    made.close()


@pytest.fixture
def app(parts: ConsoleParts) -> FastAPI:
    """The console, with routes that say who is there: below `/probe` and `/api/v1/probe`."""
    made = create_app(parts)
    made.include_router(probes)
    made.include_router(probes, prefix="/api/v1")
    return made


@pytest.fixture
def logged(parts: ConsoleParts) -> Callable[[str], list[dict[str, Any]]]:
    """`logged("access")`: the audit log's entries of one action."""
    return lambda action: [e for e in entries(parts.audit.path) if e["action"] == action]


@pytest.fixture
def client(app: FastAPI) -> Iterator[Browser]:
    """A browser that is not signed in."""
    with TestClient(app, base_url="https://console.test", follow_redirects=False) as http:
        yield Browser(http, app.state.parts)


@pytest.fixture
def signed(app: FastAPI) -> Iterator[Callable[..., Browser]]:
    """`signed("ana", Role.SENIOR)`: a browser of its own, signed in by a one-time link."""
    opened: list[TestClient] = []

    def sign_in(name: str = "ana", *roles: Role) -> Browser:
        http = TestClient(app, base_url="https://console.test", follow_redirects=False)
        opened.append(http)
        browser = Browser(http, app.state.parts)
        browser.sign_in(name, *(roles or (Role.REVIEWER,)))
        return browser

    yield sign_in
    for http in opened:
        http.close()
