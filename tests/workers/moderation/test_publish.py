"""State waits a moment for company; what opens a flag does not; an outage loses nothing."""

from __future__ import annotations

import pytest

from tests.servers import wait_until
from tests.workers.review.flags import flag, update
from workers.brokers import RedisServer
from workers.moderation import publish
from workers.moderation.lanes import Entry
from workers.moderation.publish import Outgoing, Publisher
from workers.moderation.source import Record
from workers.moderation.watermark import Partition
from workers.review.intake import ReviewIntake
from workers.review.records import StreamUpdate
from workers.settings import RedisSettings
from workers.telemetry import Health, Metrics

NEVER_S = 3600.0


def settled_by(publisher: Publisher) -> list[Entry]:
    """What it settles first, however long that takes."""
    found: list[Entry] = []

    def any_settled() -> bool:
        found.extend(publisher.settled())
        return bool(found)

    wait_until(any_settled)
    return found


@pytest.fixture
def intake(redis_settings):
    made = ReviewIntake(redis_settings)
    yield made
    made.close()


@pytest.fixture
def publisher(intake):
    return Publisher(intake, None, Metrics(), Health(()))


def outgoing(offset: int, flagged: bool = False) -> Outgoing:
    entry = Entry(offset, Record(Partition("frames", 0), offset, 0, b"s", (), None, 1), None)
    state = StreamUpdate(f"s{offset}", "frames:0", offset, b"window")
    return Outgoing(entry, update(flag()) if flagged else state)


def test_state_lingers_for_company_and_then_goes_in_one_round(publisher, monkeypatch):
    monkeypatch.setattr(publish, "LINGER_S", 0.1)
    publisher.add(outgoing(1))
    publisher.add(outgoing(2))
    assert publisher.settled() == []
    assert 0 < publisher.wait_s <= 0.1
    assert [entry.serial for entry in settled_by(publisher)] == [1, 2]


def test_a_flag_does_not_linger_and_takes_the_rest_along(publisher, monkeypatch):
    monkeypatch.setattr(publish, "LINGER_S", NEVER_S)
    publisher.add(outgoing(1))
    publisher.add(outgoing(2, flagged=True))
    assert [entry.serial for entry in publisher.settled()] == [1, 2]


def test_a_crowd_does_not_linger(publisher, monkeypatch):
    monkeypatch.setattr(publish, "LINGER_S", NEVER_S)
    for number in range(publish.CROWD):
        publisher.add(outgoing(number))
    assert len(publisher.settled()) == publish.CROWD


def test_it_tells_whose_state_redis_does_not_hold_yet(publisher, monkeypatch):
    monkeypatch.setattr(publish, "LINGER_S", NEVER_S)
    publisher.add(outgoing(1))
    assert publisher.stream_ids == {"s1"}
    publisher.add(outgoing(2, flagged=True))
    publisher.settled()
    assert not publisher.stream_ids


def test_with_nothing_to_send_nothing_is_ever_due(publisher):
    assert publisher.wait_s == float("inf")
    assert publisher.settled() == []


def test_what_redis_did_not_take_is_sent_again(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    intake = ReviewIntake(RedisSettings.model_validate({"url": server.url, "timeout": "PT0.2S"}))
    publisher = Publisher(intake, None, Metrics(), Health(()))
    publisher.add(outgoing(1, flagged=True))
    server.kill()
    assert publisher.settled() == []
    assert 0 < publisher.wait_s <= publish.BACKOFF_MIN_S
    server.start()
    assert [entry.serial for entry in settled_by(publisher)] == [1]
    intake.close()
    server.stop()
