"""Questions of several parts go to Redis together, and each gets its own replies."""

import pytest
from pydantic import SecretStr

from workers.brokers import free_port
from workers.errors import QueueUnavailable
from workers.review.roundtrip import Question, RoundTrip, answered
from workers.review.scripts import connect
from workers.settings import RedisSettings


def text(key):
    return Question(lambda pipe: pipe.get(key), lambda replies: replies[0].decode())


def both(first, second):
    return Question(
        lambda pipe: (pipe.get(first), pipe.get(second)),
        lambda replies: b"".join(replies).decode(),
    )


@pytest.fixture
def client(redis_settings):
    with connect(redis_settings) as made:
        made.mset({"fq:{rt}:a": "A", "fq:{rt}:b": "B"})
        yield made


def test_each_question_gets_its_own_replies(client):
    trip = RoundTrip(client)
    first, two, last = (
        trip.ask(q) for q in (text("fq:{rt}:b"), both("fq:{rt}:a", "fq:{rt}:b"), text("fq:{rt}:a"))
    )
    trip.go()
    assert (first(), two(), last()) == ("B", "AB", "A")


def test_one_question_may_go_alone(client):
    assert answered(client, both("fq:{rt}:a", "fq:{rt}:b")) == "AB"


def test_a_question_without_commands_is_answered_without_redis(client):
    assert answered(client, Question(lambda pipe: None, len)) == 0


def test_a_server_that_is_away_is_told():
    away = RedisSettings(url=SecretStr(f"redis://127.0.0.1:{free_port()}/0"))
    with connect(away) as client, pytest.raises(QueueUnavailable):
        answered(client, text("fq:{rt}:a"))
