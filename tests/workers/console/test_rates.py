"""Limits hold over all console processes, because Redis counts."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from workers.brokers import free_port
from workers.console.rates import Kind, Rates, TooMany
from workers.errors import QueueUnavailable
from workers.settings import ConsoleSettings, RedisSettings

SETTINGS = ConsoleSettings(claims_per_minute=3, sign_ins_per_minute=1)


@pytest.fixture
def rates(redis_settings):
    made = [Rates(redis_settings, SETTINGS) for _ in range(2)]
    yield made
    for one in made:
        one.close()


def test_two_processes_share_one_limit(rates):
    first, second = rates
    for process in (first, second, first):
        process.count(Kind.CLAIM, "ana")
    with pytest.raises(TooMany, match="more than 3 a minute"):
        second.count(Kind.CLAIM, "ana")


def test_one_person_s_haste_is_not_another_s(rates):
    for _ in range(3):
        rates[0].count(Kind.CLAIM, "ana")
    rates[0].count(Kind.CLAIM, "ben")


def test_kinds_are_counted_apart(rates):
    rates[0].count(Kind.SIGN_IN, "ana")
    rates[0].count(Kind.CLAIM, "ana")


def test_without_redis_nobody_is_let_through_unseen():
    away = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{free_port()}/0"))
    with pytest.raises(QueueUnavailable):
        Rates(away, SETTINGS).count(Kind.CLAIM, "ana")
