"""A browser without a screen: keeps cookies, finds the token of a page, posts its forms."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from fastapi.testclient import TestClient
from httpx2 import Response

from workers.console.forms import token_for
from workers.console.parts import ConsoleParts
from workers.console.people import Role

_TOKEN = re.compile(r'name="csrf" value="([0-9a-f]+)"')


class Browser:
    """One person's browser; follows redirects only where it is asked to."""

    def __init__(self, http: TestClient, parts: ConsoleParts) -> None:
        self.http = http
        self.parts = parts
        self.csrf = ""

    def sign_in(self, name: str, *roles: Role) -> Response:
        """Uses a one-time link, as a person would; keeps the session and its token."""
        token = self.parts.links.make(name, roles, timedelta(minutes=1))
        self.get(f"/in/{token}")
        answer = self.post("/signin/link", token=token)
        assert answer.status_code == 303, answer.text
        self.csrf = token_for(self.parts.secret, self.http.cookies["__Host-flagpost-session"])
        return answer

    def get(self, path: str, **options: Any) -> Response:
        """Opens an address, and remembers the token of its forms."""
        answer = self.http.get(path, **options)
        if found := _TOKEN.search(answer.text if _is_text(answer) else ""):
            self.csrf = found[1]
        return answer

    def post(self, path: str, **fields: Any) -> Response:
        """Sends a form with the newest token; pass `csrf=` for another."""
        return self.http.post(path, data={"csrf": self.csrf, **fields})

    def post_json(self, path: str, body: Any) -> Response:
        return self.http.post(path, json=body, headers={"X-CSRF-Token": self.csrf})


def _is_text(answer: Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/html")
