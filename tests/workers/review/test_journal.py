"""Journals hold what Redis may lose, and putting it back twice changes nothing."""

import redis

from tests.workers.review.flags import flag, update
from workers.review.intake import ReviewIntake
from workers.review.journal import FlagJournal, flags_in_journal
from workers.review.recover import recover


def test_the_newest_state_of_a_flag_counts(tmp_path):
    journal = FlagJournal(tmp_path / "j.jsonl")
    journal.append([flag(1), flag(2)])
    journal.append([flag(1, looks=9)])
    journal.close()
    assert [found.looks for found in flags_in_journal([tmp_path / "j.jsonl"])] == [9, 3]


def test_a_torn_last_line_costs_only_itself(tmp_path):
    journal = FlagJournal(tmp_path / "j.jsonl")
    journal.append([flag(1)])
    journal.close()
    with open(tmp_path / "j.jsonl", "ab") as file:
        file.write(flag(2).model_dump_json().encode()[:50])
    assert list(flags_in_journal([tmp_path / "j.jsonl"])) == [flag(1)]


def test_a_journal_that_grows_is_rotated(tmp_path):
    journal = FlagJournal(tmp_path / "j.jsonl", rotate_bytes=100)
    journal.append([flag(1)])
    journal.append([flag(2)])
    journal.close()
    assert {path.name for path in tmp_path.iterdir()} == {"j.jsonl", "j.1", "j.2"}


def test_recovery_puts_back_what_redis_lost_and_is_idempotent(tmp_path, redis_settings):
    intake = ReviewIntake(redis_settings)
    journal = FlagJournal(tmp_path / "j.jsonl")
    for number in range(3):
        intake.apply_all([update(flag(number))])
    journal.append([flag(number) for number in range(3)])
    journal.close()
    with redis.Redis.from_url(redis_settings.url.get_secret_value()) as client:
        client.flushall()
    intake.apply_all([update(flag(0))])
    paths = [tmp_path / "j.jsonl"]
    assert recover(redis_settings, paths, dry_run=True).recovered == 2
    assert recover(redis_settings, paths, dry_run=False).recovered == 2
    assert recover(redis_settings, paths, dry_run=False).recovered == 0
    intake.close()
