"""Local people: passwords are kept as strong hashes, roles count from the next look."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from workers.console.local import CHECKED_AT_ONCE, LocalPeople
from workers.console.people import Role
from workers.errors import ConfigurationRejected

PASSWORD = "correct horse battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.json"


@pytest.fixture
def people(path) -> LocalPeople:
    return LocalPeople(path)


def test_a_password_is_kept_as_an_argon2_hash_for_the_owner_only(people, path):
    people.add("ana", [Role.REVIEWER], password=PASSWORD)
    text = path.read_text()
    assert PASSWORD not in text
    assert "$argon2id$" in text
    assert path.stat().st_mode & 0o077 == 0


def test_only_the_right_password_fits(people):
    people.add("ana", [Role.REVIEWER], password=PASSWORD)
    assert people.check("ana", PASSWORD).name == "ana"
    assert people.check("ana", PASSWORD + " ") is None
    assert people.check("ben", PASSWORD) is None
    assert people.check("ana", "x" * 10_000_000) is None


def test_another_process_s_change_is_seen_at_the_next_look(people, path):
    people.add("ana", [Role.REVIEWER])
    LocalPeople(path).set_roles("ana", [Role.SENIOR])
    assert people.find("ana").roles == {Role.SENIOR}
    LocalPeople(path).remove("ana")
    assert people.find("ana") is None


def test_a_new_password_ends_the_old_one(people):
    people.add("ana", [Role.REVIEWER], password=PASSWORD)
    people.set_password("ana", "another horse battery")
    assert people.check("ana", PASSWORD) is None
    assert people.check("ana", "another horse battery") is not None


@pytest.mark.parametrize("name", ["", "a b", "ana\n", "x" * 1000, "<ana>"])
def test_a_name_that_decisions_cannot_carry_is_refused(people, name):
    with pytest.raises(ConfigurationRejected, match="expected letters"):
        people.add(name, [Role.REVIEWER])


@pytest.mark.parametrize("roles", [[], [Role.SERVICE], [Role.REVIEWER, Role.SERVICE]])
def test_a_person_has_a_role_and_is_no_service(people, roles):
    with pytest.raises(ConfigurationRejected, match="expected one or more of"):
        people.add("ana", roles)


def test_a_short_password_is_refused(people):
    with pytest.raises(ConfigurationRejected, match="expected 12 or more"):
        people.add("ana", [Role.REVIEWER], password="short")
    assert people.all() == ()


def test_a_name_is_given_once(people):
    people.add("ana", [Role.REVIEWER])
    with pytest.raises(ConfigurationRejected, match="there already"):
        people.add("ana", [Role.ADMIN])


def test_nobody_cannot_be_changed(people):
    for change in (people.remove, lambda name: people.set_roles(name, [Role.SENIOR])):
        with pytest.raises(ConfigurationRejected, match="nobody of this name"):
            change("ana")


def test_a_file_that_is_no_people_file_is_named(people, path):
    path.write_text("[]")
    with pytest.raises(ConfigurationRejected, match=r"people\.json"):
        people.find("ana")


def add_some(path: Path, who: str) -> None:
    people = LocalPeople(path)
    for number in range(10):
        people.add(f"{who}{number}", [Role.REVIEWER])


def test_processes_that_add_people_at_once_lose_nobody(people, path):
    start = multiprocessing.get_context("spawn").Process
    adders = [start(target=add_some, args=(path, who)) for who in "abc"]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert len(people.all()) == 30


def test_many_who_try_at_once_take_no_more_memory_than_a_few(people, monkeypatch):
    people.add("ana", [Role.REVIEWER], password=PASSWORD)
    running: list[int] = []
    most = 0

    class Counted(PasswordHasher):
        def verify(self, *arguments):
            nonlocal most
            running.append(1)
            most = max(most, len(running))
            try:
                return super().verify(*arguments)
            finally:
                running.pop()

    monkeypatch.setattr(people, "_hasher", Counted())
    with ThreadPoolExecutor(8) as strangers:
        found = list(strangers.map(lambda n: people.check("ana", f"wrong guess {n}"), range(8)))
    assert found == [None] * 8
    assert most <= CHECKED_AT_ONCE
