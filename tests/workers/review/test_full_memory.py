"""With Redis' memory used up nothing new comes in, and reviewers can still empty the queue."""

import pytest
import redis

from schemas.decisions import Verdict
from tests.workers.review.flags import decision, flag, update
from workers.brokers import RedisServer
from workers.errors import QueueUnavailable
from workers.review.board import Board
from workers.review.bulk import BulkDecision
from workers.review.desk import Answer, Pool, ReviewDesk
from workers.review.intake import ReviewIntake
from workers.settings import RedisSettings

SENIOR = (Pool.ESCALATED, Pool.READY)


@pytest.fixture
def settings(tmp_path):
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield RedisSettings.model_validate({"url": server.url})
    server.stop()


@pytest.fixture
def full(settings):
    """A desk over forty flags in a server whose memory is used up."""
    intake, desk = ReviewIntake(settings), ReviewDesk(settings)
    intake.apply_all([update(flag(number, stream_id="cam")) for number in range(40)])
    with redis.Redis.from_url(settings.url.get_secret_value()) as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(QueueUnavailable):
            intake.apply_all([update(flag(99))])
        yield desk
        client.config_set("maxmemory", 0)
    intake.close()
    desk.close()


@pytest.fixture
def held(full):
    return full.claim("ana")


def test_deciding_and_undoing_work(full, held):
    assert full.decide(decision(held.flag.flag_id, "ana", held.epoch)) is Answer.OK
    assert full.undo(held.flag.flag_id, "ana")[0] is Answer.OK


def test_escalating_works(full, held):
    unsure = decision(held.flag.flag_id, "ana", held.epoch, Verdict.UNSURE)
    assert full.decide(unsure) is Answer.ESCALATED
    assert full.claim("lee", pools=SENIOR).flag == held.flag


def test_a_lease_can_be_extended(full, held):
    assert full.renew(held.flag.flag_id, "ana", held.epoch) is not None


@pytest.mark.parametrize("give_back", ["release", "skip"])
def test_giving_back_works(full, held, give_back):
    answer = getattr(full, give_back)(held.flag.flag_id, "ana", held.epoch)
    assert answer is Answer.OK


def test_a_revoked_session_gives_back(full, held):
    assert full.release_all("ana") == held.flag.flag_id


def test_handing_on_and_setting_aside_work(full, held):
    assert full.move(held.flag.flag_id, "to:ben", "ana", epoch=held.epoch) is Answer.OK
    assert full.park(held.flag.flag_id, "lee", "media missing") is Answer.OK


def test_closing_a_stream_works(full, settings):
    board = Board(settings)
    ids = tuple(record.flag.flag_id for record in board.waiting(limit=30))
    board.close()
    sent = decision(ids[0], "lee", 1).model_dump(exclude={"schema_version", "flag_id", "epoch"})
    answers = full.decide_bulk(BulkDecision(stream_id="cam", flag_ids=ids, **sent))
    assert set(answers.values()) == {Answer.OK}


def test_looking_works(full, held, settings):
    board = Board(settings)
    assert board.counts().leased == 1
    assert board.record(held.flag.flag_id) is not None
    assert full.lease_of(held.flag.flag_id).owner == "ana"
    assert full.held_by("ana") == held
    board.close()
