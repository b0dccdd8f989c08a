"""The demo's review console: a process of its own, and an address that signs a person in."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from workers.console.links import PATH, OneTimeLinks
from workers.console.people import Role
from workers.console.state import ConsoleState
from workers.demo.processes import Command, Places

NAME: Final = "demo"
ROLES: Final = (Role.SUPERVISOR, Role.ADMIN)
"""Whoever runs the demo may look at every page."""
LIFETIME: Final = timedelta(hours=12)


class ReviewConsole:
    """Starts `flagpost console`, and always has a link that was not used yet."""

    def __init__(self, places: Places) -> None:
        self.address = f"http://127.0.0.1:{places.console_port}"
        self.process = Command("console", ["console", "--json"], places)
        self._links = OneTimeLinks(ConsoleState(places.console).secret(), places.redis)
        self._token = ""

    def sign_in(self) -> str | None:
        """An address that signs in once; another after it was used. None until it is served."""
        if self.address not in self.process.output.read_text():
            return None
        if not self._token or not self._links.is_open(self._token):
            self._token = self._links.make(NAME, ROLES, LIFETIME)
        return f"{self.address}{PATH}{self._token}"

    def stop(self) -> None:
        self._links.close()
        self.process.stop()
