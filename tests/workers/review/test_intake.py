"""What a worker stores is stored whole, once, whatever happens on the way."""

import pytest
import redis

from schemas.flags import Severity
from tests.servers import wait_until
from tests.workers.review.flags import flag, update
from workers.brokers import RedisServer
from workers.errors import ConfigurationRejected, QueueUnavailable
from workers.review.desk import ReviewDesk
from workers.review.intake import ReviewIntake
from workers.review.records import Applied, Step, StreamUpdate
from workers.settings import RedisSettings


@pytest.fixture
def intake(redis_settings):
    made = ReviewIntake(redis_settings)
    yield made
    made.close()


@pytest.fixture
def desk(redis_settings):
    made = ReviewDesk(redis_settings)
    yield made
    made.close()


def test_a_stream_nobody_knows_has_no_state(intake):
    assert intake.load_states(["s0"])["s0"].state is None


def test_state_and_position_come_back(intake):
    intake.apply_all([StreamUpdate("s0", "frames:3", 17, b"window")])
    found = intake.load_states(["s0"])["s0"]
    assert (found.state, found.positions) == (b"window", {"frames:3": 17})


def test_the_same_update_twice_is_one_flag(intake, desk):
    assert intake.apply_all([update(flag())]) == [Applied.STORED]
    assert intake.apply_all([update(flag())]) == [Applied.REPLAYED]
    assert len(desk.waiting()) == 1


def test_an_older_offset_changes_nothing(intake):
    intake.apply_all([StreamUpdate("s0", "frames:0", 9, b"new")])
    intake.apply_all([StreamUpdate("s0", "frames:0", 8, b"old")])
    assert intake.load_states(["s0"])["s0"].state == b"new"


def test_positions_of_two_partitions_are_kept_apart(intake):
    intake.apply_all([StreamUpdate("s0", "frames:0", 9, b"a")])
    assert intake.apply_all([StreamUpdate("s0", "frames:1", 2, b"b")]) == [Applied.STORED]


def test_an_extension_updates_the_facts_and_never_doubles_the_flag(intake, desk):
    intake.apply_all([update(flag())])
    intake.apply_all([update(flag(peak=0.99, looks=9), Step.EXTEND, offset=1)])
    assert len(desk.waiting()) == 1
    assert desk.claim("ana").flag.looks == 9


def test_a_larger_audience_moves_the_due_time_earlier_and_never_later(intake, desk):
    intake.apply_all([update(flag())])
    ((_, first),) = desk.waiting()
    intake.apply_all([update(flag(viewers=100_000), Step.EXTEND, offset=1)])
    ((_, second),) = desk.waiting()
    intake.apply_all([update(flag(viewers=0), Step.EXTEND, offset=2)])
    ((_, third),) = desk.waiting()
    assert second < first
    assert third == second


def test_the_worst_comes_first(intake, desk):
    intake.apply_all([update(flag(1, Severity.LOW)), update(flag(2, Severity.HIGH))])
    intake.apply_all([update(flag(3, Severity.HIGH, viewers=50_000))])
    order = [desk.flag(flag_id)["stream"] for flag_id, _ in desk.waiting()]
    assert order == ["s3", "s2", "s1"]


def test_a_server_that_lost_its_scripts_gets_them_again(intake, redis_settings):
    intake.apply_all([update(flag(1))])
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        client.script_flush()
    assert intake.apply_all([update(flag(2))]) == [Applied.STORED]


@pytest.fixture
def own_server(tmp_path):
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def settings_of(server: RedisServer) -> RedisSettings:
    return RedisSettings.model_validate({"url": server.url, "timeout": "PT0.5S"})


def test_flags_that_were_acknowledged_survive_a_killed_redis(own_server):
    intake = ReviewIntake(settings_of(own_server))
    acknowledged = 0
    for round_number in range(3):
        for number in range(40):
            found = flag(round_number * 40 + number)
            intake.apply_all([update(found)])
            acknowledged += 1
        own_server.kill()
        own_server.start()
        wait_until(lambda: intake_answers(intake))
        # The worker cannot know whether its last write got through: it sends it again.
        intake.apply_all([update(found)])
    desk = ReviewDesk(settings_of(own_server))
    assert len(desk.waiting(limit=1000)) == acknowledged
    intake.close()
    desk.close()


def intake_answers(intake: ReviewIntake) -> bool:
    try:
        intake.load_states(["s0"])
    except QueueUnavailable:
        return False
    return True


def test_a_server_that_is_away_is_an_error_that_can_be_retried(own_server):
    intake = ReviewIntake(settings_of(own_server))
    own_server.freeze()
    with pytest.raises(QueueUnavailable):
        intake.apply_all([update(flag())])
    own_server.thaw()
    wait_until(lambda: intake_answers(intake))
    assert intake.apply_all([update(flag())])[0] in set(Applied)
    assert len(ReviewDesk(settings_of(own_server)).waiting()) == 1
    intake.close()


def test_a_server_that_would_evict_flags_is_refused(tmp_path):
    server = RedisServer(tmp_path, None, "--maxmemory-policy", "allkeys-lru")
    server.start()
    try:
        with pytest.raises(ConfigurationRejected, match="noeviction"):
            ReviewIntake(settings_of(server)).check_server()
    finally:
        server.stop()


def test_with_memory_used_up_storing_fails_whole_and_deciding_still_works(own_server):
    settings = settings_of(own_server)
    intake, desk = ReviewIntake(settings), ReviewDesk(settings)
    for number in range(20):
        intake.apply_all([update(flag(number))])
    with redis.Redis.from_url(own_server.url) as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(QueueUnavailable):
            intake.apply_all([update(flag(99))])
        from tests.workers.review.flags import decision

        lease = desk.claim("ana")
        assert lease is not None
        answer = desk.decide(decision(lease.flag.flag_id, "ana", lease.epoch))
        client.config_set("maxmemory", 0)
    assert answer == "ok"
    assert desk.flag(flag(99).flag_id) is None
    intake.close()
    desk.close()
