"""A signed address opens one file, at one level, for one session, for a while."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.servers import wait_until
from workers.console.people import Person, Role
from workers.console.signing import AddressExpired, AddressForged, Level, MediaSigner

ANA = Person("ana", frozenset({Role.REVIEWER}), session="s1")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def signer() -> MediaSigner:
    return MediaSigner(b"k" * 32)


@pytest.fixture
def token(signer: MediaSigner) -> str:
    return signer.sign(ANA, "F1", "03.jpg", Level.GREY, MINUTE)


def test_it_opens_what_it_was_signed_for(signer, token):
    assert signer.check(ANA, "F1", "03.jpg", token) is Level.GREY


@pytest.mark.parametrize(
    ("person", "flag_id", "name"),
    [
        (replace(ANA, name="ben"), "F1", "03.jpg"),
        (replace(ANA, session="s2"), "F1", "03.jpg"),
        (ANA, "F2", "03.jpg"),
        (ANA, "F1", "04.jpg"),
        (ANA, "F1\x0003.jpg", ""),
    ],
)
def test_it_opens_nothing_for_anybody_or_anything_else(signer, token, person, flag_id, name):
    with pytest.raises(AddressForged):
        signer.check(person, flag_id, name, token)


@pytest.mark.parametrize("token", ["", "a.b.c", "x" * 5000, "\x00", "WyJjbGlwIiw2MC4wXQ"])
def test_what_nobody_signed_is_forged(signer, token):
    with pytest.raises(AddressForged):
        signer.check(ANA, "F1", "03.jpg", token)


def test_another_secret_signs_nothing_here(token):
    with pytest.raises(AddressForged):
        MediaSigner(b"z" * 32).check(ANA, "F1", "03.jpg", token)


def test_the_level_cannot_be_raised(signer, token):
    clip = signer.sign(ANA, "F9", "03.jpg", Level.CLIP, MINUTE)
    payload = clip.split(".")[0]
    with pytest.raises(AddressForged):
        signer.check(ANA, "F1", "03.jpg", f"{payload}.{token.split('.', 1)[1]}")


def expired(signer, token) -> bool:
    try:
        signer.check(ANA, "F1", "03.jpg", token)
    except AddressExpired:
        return True
    return False


def test_its_time_ends(signer):
    token = signer.sign(ANA, "F1", "03.jpg", Level.COLOUR, timedelta(milliseconds=1))
    wait_until(lambda: expired(signer, token), timeout_s=3)


def test_a_clock_that_went_back_opens_nothing(signer, token, monkeypatch):
    import time

    early = time.time() - 3600
    monkeypatch.setattr("workers.console.signing.time.time", lambda: early)
    assert expired(signer, token)
