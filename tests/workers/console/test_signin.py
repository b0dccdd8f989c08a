"""People sign in by a link that works once; a session ends when it must."""

from __future__ import annotations

from workers.console.people import Role


def test_a_link_signs_in_once(client, parts):
    from datetime import timedelta

    token = parts.links.make("ana", [Role.REVIEWER], timedelta(minutes=1))
    client.get("/signin", params={"token": token})
    assert client.post("/signin/link", token=token).status_code == 303
