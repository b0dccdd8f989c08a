"""`flagpost queue` does what the desk does, and ends with an error where the queue says no."""

import json

import pytest
from click.testing import CliRunner

from tests.workers.review.flags import flag, update
from workers.review.command import queue
from workers.review.intake import ReviewIntake

NOT_VIOLENT = ("--verdict", "not_violent", "--reason", "game")


@pytest.fixture
def run(redis_settings, monkeypatch):
    monkeypatch.setenv("FLAGPOST_REDIS_URL", redis_settings.url.get_secret_value())
    runner = CliRunner()

    def ran(*arguments: str, fails: bool = False) -> str:
        result = runner.invoke(queue, arguments)
        assert bool(result.exit_code) == fails, result.output
        return result.output.strip()

    return ran


@pytest.fixture
def flag_id(redis_settings):
    intake = ReviewIntake(redis_settings)
    intake.apply_all([update(flag(1))])
    intake.close()
    return flag(1).flag_id


def of(reviewer: str, epoch: int) -> tuple[str, ...]:
    return "--reviewer", reviewer, "--epoch", str(epoch)


def test_a_flag_is_claimed_given_back_claimed_again_and_decided(run, flag_id):
    assert json.loads(run("claim", "--reviewer", "ana"))["epoch"] == 1
    assert run("release", flag_id, *of("ana", 1)) == "ok"
    assert json.loads(run("claim", "--reviewer", "ana"))["epoch"] == 2
    assert run("decide", flag_id, *of("ana", 2), *NOT_VIOLENT) == "ok"
    assert run("undo", flag_id, "--reviewer", "ana") == "ok"
    assert run("skip", flag_id, *of("ana", 3)) == "ok"
    assert run("claim", "--reviewer", "ana") == "null"


def test_a_lost_claim_ends_with_an_error(run, flag_id):
    run("claim", "--reviewer", "ana")
    assert run("release", flag_id, *of("ben", 1), fails=True) == "stale"
    assert run("decide", flag_id, *of("ana", 9), *NOT_VIOLENT, fails=True) == "stale"


def test_what_was_escalated_is_for_seniors(run, flag_id):
    assert run("move", flag_id, "--to", "escalated", "--by", "lee") == "ok"
    assert run("claim", "--reviewer", "ana") == "null"
    run("claim", "--reviewer", "kim", "--senior")
    assert run("decide", flag_id, *of("kim", 1), *NOT_VIOLENT, fails=True) == "forbidden"
    assert run("decide", flag_id, *of("kim", 1), *NOT_VIOLENT, "--senior") == "ok"


def test_an_unknown_pool_is_refused_with_what_is_expected(run, flag_id):
    assert "to:PERSON" in run("move", flag_id, "--to", "ready:x", "--by", "lee", fails=True)


def test_the_counts_are_read_by_programs_too(run, flag_id):
    counts = json.loads(run("stats", "--json"))
    assert (counts["ready"], counts["ready_by_severity"]["high"]) == (1, 1)
    assert "waiting" in run("stats")


def test_a_first_verdict_does_not_show_before_the_flag_is_decided(run, flag_id):
    run("move", flag_id, "--to", "ready", "--by", "lee", "--second-review")
    run("claim", "--reviewer", "ana")
    assert run("decide", flag_id, *of("ana", 1), *NOT_VIOLENT) == "second"
    shown = run("show", flag_id)
    assert "not_violent" not in shown
    assert "ana" not in shown
