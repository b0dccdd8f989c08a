"""The board counts and finds without reading every flag, and never shows a hidden verdict."""

from datetime import UTC, datetime, timedelta

import pytest
import redis

from schemas.decisions import Verdict
from schemas.flags import Severity
from tests.servers import wait_until
from tests.workers.review.flags import START, claimed, decision, flag, update
from workers.review.answers import FlagState
from workers.review.board import Board
from workers.review.desk import Pool, ReviewDesk
from workers.review.intake import ReviewIntake
from workers.review.records import Step
from workers.review.reindex import bring_up_to_date
from workers.review.scripts import connect


@pytest.fixture
def board(redis_settings):
    made = Board(redis_settings)
    yield made
    made.close()


@pytest.fixture
def desk(redis_settings):
    made = ReviewDesk(redis_settings)
    yield made
    made.close()


@pytest.fixture
def put(redis_settings):
    intake = ReviewIntake(redis_settings)
    yield lambda *flags: intake.apply_all([update(found) for found in flags])
    intake.close()


def test_an_empty_queue_counts_nothing(board):
    counts = board.counts()
    assert (counts.ready, counts.leased, counts.overdue, counts.oldest_due) == (0, 0, 0, None)
    assert counts.most_overdue is None


def test_flags_are_counted_by_severity_and_age(board, put):
    put(flag(1), flag(2), flag(3, Severity.LOW))
    ages = board.counts().ready_by_age
    assert ages[Severity.HIGH] == (2, 0, 0, 0, 0)
    assert ages[Severity.MEDIUM] == (0, 0, 0, 0, 0)
    assert ages[Severity.LOW] == (1, 0, 0, 0, 0)


def test_an_old_flag_is_in_an_older_bucket_and_overdue(board, put, redis_settings):
    put(flag(1))
    key = f"fq:{{{redis_settings.queue}}}:"
    late = datetime.now(UTC) - timedelta(minutes=20)
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        for name in ("ready:since:high", "ready"):
            client.zadd(key + name, {flag(1).flag_id: late.timestamp() * 1000})
    counts = board.counts()
    assert counts.ready_by_age[Severity.HIGH] == (0, 0, 0, 1, 0)
    assert counts.overdue == 1
    assert counts.most_overdue >= timedelta(minutes=20)


def test_each_flag_is_counted_once_wherever_it_goes(board, desk, put):
    put(*(flag(number) for number in range(6)))
    held = [desk.claim(f"r{number}") for number in range(5)]
    ids = [lease.flag.flag_id for lease in held]
    desk.decide(decision(ids[0], "r0", held[0].epoch))
    desk.decide(decision(ids[1], "r1", held[1].epoch, Verdict.UNSURE))
    desk.park(ids[2], "lee", "no media")
    desk.move(ids[3], "to:ana", "lee")
    counts = board.counts()
    assert (counts.ready, counts.leased, counts.escalated) == (1, 1, 1)
    assert (counts.parked, counts.handed, counts.decided) == (1, 1, 1)
    assert sum(counts.ready_by_severity.values()) == 1


def test_a_flag_that_comes_back_is_counted_as_waiting_again(board, desk, put):
    put(flag(1))
    lease = desk.claim("ana")
    assert board.counts().ready_by_severity[Severity.HIGH] == 0
    desk.release(lease.flag.flag_id, "ana", lease.epoch)
    assert board.counts().ready_by_severity[Severity.HIGH] == 1


def test_who_works_on_what_is_seen(board, desk, put):
    put(flag(1))
    lease = desk.claim("ana")
    (working,) = board.working()
    assert (working.reviewer, working.flag_id) == ("ana", lease.flag.flag_id)
    assert working.stream_id == "s1"
    assert working.ends_at == lease.ends_at


def test_a_lease_that_ran_out_is_nobodys_work(board, desk, put):
    put(flag(1))
    desk.claim("ana", lease=timedelta(milliseconds=20))
    wait_until(lambda: board.counts().lapsed == 1)
    assert board.working() == ()
    assert board.counts().leased == 0


def test_parked_flags_say_why(board, desk, put):
    put(flag(1))
    desk.park(flag(1).flag_id, "lee", "media missing")
    (record,) = board.parked()
    assert record.state is FlagState.PARKED
    assert record.parked_because == "media missing"


def test_a_pool_is_read_page_by_page_the_most_urgent_first(board, put):
    put(flag(1, Severity.LOW), flag(2, Severity.MEDIUM), flag(3))
    pages = [board.waiting(Pool.READY, offset, 1) for offset in range(4)]
    assert [page[0].flag.stream_id for page in pages[:3]] == ["s3", "s2", "s1"]
    assert pages[3] == ()


def test_a_stream_keeps_its_flags_also_decided_ones(board, desk, put):
    put(flag(1, stream_id="cam"), flag(2, stream_id="cam"), flag(3))
    lease = desk.claim("ana")
    desk.decide(decision(lease.flag.flag_id, "ana", lease.epoch))
    assert {record.flag.flag_id for record in board.of_stream("cam")} == {
        flag(1).flag_id,
        flag(2).flag_id,
    }
    assert board.of_stream("nobody") == ()


def test_streams_are_found_by_how_they_begin(board, put):
    put(flag(1, stream_id="channel-1"), flag(2, stream_id="channel-22"), flag(3, stream_id="tv"))
    assert board.search("channel") == ("channel-1", "channel-22")
    assert board.search("channel-2") == ("channel-22",)
    assert board.search("") == ("channel-1", "channel-22", "tv")
    assert board.search("*") == ()


def test_a_first_of_two_verdicts_is_not_in_the_record(board, put, redis_settings):
    put(flag(1))
    blind = ReviewDesk(redis_settings, second_review_share=1.0)
    lease = claimed(blind, "ana")
    blind.decide(decision(lease.flag.flag_id, "ana", lease.epoch))
    record = board.record(lease.flag.flag_id)
    assert record.state is FlagState.READY
    assert (record.verdict, record.decided_by, record.owner) == (None, None, None)
    second = claimed(blind, "ben")
    blind.decide(decision(lease.flag.flag_id, "ben", second.epoch))
    decided = board.record(lease.flag.flag_id)
    assert (decided.verdict, decided.decided_by) == (Verdict.VIOLENT, "ben")
    blind.close()


def test_nobody_knows_an_unknown_flag(board):
    assert board.record("0" * 26) is None


def test_a_larger_audience_leaves_the_counts_as_they_are(board, put, redis_settings):
    put(flag(1))
    intake = ReviewIntake(redis_settings)
    intake.apply_all([update(flag(1, viewers=9000), Step.EXTEND, offset=2)])
    intake.close()
    counts = board.counts()
    assert (counts.ready, counts.ready_by_severity[Severity.HIGH]) == (1, 1)


def test_a_queue_that_an_earlier_version_filled_is_counted_too(desk, put, redis_settings):
    put(flag(1), flag(2, Severity.LOW))
    desk.move(flag(2).flag_id, Pool.ESCALATED, "lee")
    prefix = f"fq:{{{redis_settings.queue}}}:"
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        for name in ("ready:since:high", "ready:policy:violence", "kinds", "streams"):
            client.delete(prefix + name)
        client.hdel(prefix + "totals", "layout")
        for number in (1, 2):
            added = (
                "policy",
                "opened",
                "model",
                "version",
                "looks",
                "escalated",
                "said",
                "audience",
            )
            client.hdel(f"{prefix}f:{flag(number).flag_id}", *added)
    board = Board(redis_settings)
    counts = board.counts()
    assert counts.ready_by_severity[Severity.HIGH] == 1
    assert board.search("s") == ("s1", "s2")
    record = board.record(flag(2).flag_id)
    assert record is not None
    assert record.is_escalated
    board.close()


def test_a_queue_that_began_with_this_version_is_not_gone_through(put, redis_settings):
    put(flag(1))
    with connect(redis_settings) as client:
        assert bring_up_to_date(client, f"fq:{{{redis_settings.queue}}}:") == 0


def test_times_are_those_of_the_server(board, desk, put):
    put(flag(1))
    desk.claim("ana")
    record = board.record(flag(1).flag_id)
    assert START < record.queued_at <= record.claimed_first_at == record.claimed_last_at
    assert record.due > record.queued_at
