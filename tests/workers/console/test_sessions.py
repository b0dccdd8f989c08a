"""A session lives on the server, for a while, and no longer than allowed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import redis

from tests.servers import wait_until
from tests.workers.review.flags import flag, update
from workers.console import events
from workers.console.people import Role
from workers.console.sessions import Sessions, session_key
from workers.errors import QueueUnavailable
from workers.review.intake import ReviewIntake


@pytest.fixture
def short(parts, redis_settings, console_settings):
    """Sessions of 150 ms idle and 400 ms in all."""
    brief = console_settings.model_copy(
        update={
            "session_idle": timedelta(milliseconds=150),
            "session_limit": timedelta(milliseconds=400),
        }
    )
    made = Sessions(redis_settings, brief, parts.desk)
    yield made
    made.stop()


@pytest.fixture
def waiting(redis_settings):
    """Two flags in the queue."""
    intake = ReviewIntake(redis_settings)
    intake.apply_all([update(flag(number)) for number in range(2)])
    intake.close()


def test_a_session_is_found_by_its_secret_only(parts):
    token = parts.sessions.open("ana", [Role.REVIEWER], "Ana", "link")
    assert parts.sessions.find(token).name == "ana"
    assert parts.sessions.find(session_key(token)) is None
    assert parts.sessions.find("") is None


def test_redis_never_holds_what_the_cookie_holds(parts, redis_settings):
    token = parts.sessions.open("ana", [Role.REVIEWER], "Ana", "link")
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        for key in client.keys("*"):
            assert token not in key.decode()
            if client.type(key) == b"string":
                assert token not in client.get(key).decode()


def test_an_idle_session_ends(short):
    token = short.open("ana", [Role.REVIEWER], "", "link")
    wait_until(lambda: short.of("ana") == (), timeout_s=2)
    assert short.find(token) is None


def test_a_busy_session_ends_at_its_limit(short):
    token = short.open("ana", [Role.REVIEWER], "", "link")
    key = session_key(token)
    assert short.find(token) is not None
    wait_until(lambda: short.find(token) is None, timeout_s=2)
    assert not short.is_live(key)


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/events", {"Accept": "text/event-stream"}), ("/queue", {"X-Unattended": "yes"})],
)
def test_what_a_page_asks_for_by_itself_does_not_keep_a_session_awake(
    signed, parts, redis_settings, monkeypatch, path, headers
):
    monkeypatch.setattr(events, "LASTS_S", 0.01)
    monkeypatch.setattr(events, "EVERY_S", 0.02)
    ana = signed("ana")
    (session,) = parts.sessions.of("ana")
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        (awake,) = client.keys(f"*console:awake:{session.key}")
        client.pexpire(awake, 60_000)
        assert ana.get(path, headers=headers).status_code == 200
        assert client.pttl(awake) <= 60_000
        assert ana.get("/queue").status_code == 200
        assert client.pttl(awake) > 60_000


def test_looking_at_a_session_from_outside_does_not_keep_it_awake(short):
    key = session_key(short.open("ana", [Role.REVIEWER], "", "link"))
    wait_until(lambda: not short.is_live(key), timeout_s=2)


def test_everybody_signed_in_is_listed(parts):
    for name in ("ben", "ana", "ana"):
        parts.sessions.open(name, [Role.REVIEWER], "", "link")
    assert [session.name for session in parts.sessions.signed_in()] == ["ana", "ana", "ben"]


def test_revoking_ends_every_session_and_gives_the_flag_back(signed, parts, waiting):
    first, second = signed("ana"), signed("ana")
    held = parts.desk.claim("ana")
    ended, released = parts.sessions.revoke("ana")
    assert (ended, released) == (2, held.flag.flag_id)
    assert first.get("/probe").status_code == second.get("/probe").status_code == 303
    assert parts.desk.claim("ben").flag == held.flag


def test_signing_out_gives_the_flag_back(signed, parts, waiting):
    ana = signed("ana")
    held = parts.desk.claim("ana")
    ana.post("/signout")
    assert parts.desk.claim("ben").flag == held.flag


def test_signing_out_of_one_of_two_browsers_keeps_the_flag(signed, parts, waiting):
    first, _ = signed("ana"), signed("ana")
    held = parts.desk.claim("ana")
    first.post("/signout")
    assert parts.desk.claim("ben").flag != held.flag


def test_revoking_somebody_who_is_not_there_changes_nothing(parts):
    assert parts.sessions.revoke("nobody") == (0, None)


@pytest.fixture
def full(redis_settings):
    """Redis with no memory left."""
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        yield lambda: client.config_set("maxmemory", "1")
        client.config_set("maxmemory", "0")


def test_with_redis_memory_used_up_whoever_is_at_work_goes_on(signed, parts, waiting, full):
    ana = signed("ana")
    full()
    assert ana.get("/probe").status_code == 200
    assert ana.post("/work/next").status_code == 303
    assert parts.desk.held_by("ana") is not None


def test_with_redis_memory_used_up_a_session_can_be_ended(signed, parts, waiting, full):
    ana, ben = signed("ana"), signed("ben")
    held = parts.desk.claim("ben")
    full()
    assert ana.post("/signout").status_code == 303
    with pytest.raises(QueueUnavailable):  # a link made for ben is not spoilt, and that is said
        parts.sessions.revoke("ben")
    assert ben.get("/probe").status_code == 303
    assert parts.desk.claim("kim").flag == held.flag
