"""What somebody saw unblurred is counted before it is shown, and stops at the cap."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from tests.servers import wait_until
from workers.console.exposure import ExposureBook
from workers.settings import ConsoleSettings

MINUTE = timedelta(minutes=1)


@pytest.fixture
def book(redis_settings):
    made = ExposureBook(redis_settings, ConsoleSettings(exposure_prompt=2, exposure_cap=5))
    yield made
    made.close()


def test_nothing_was_seen_at_first(book):
    seen = book.of("ana")
    assert (seen.reveals, seen.seconds, seen.began_at) == (0, 0.0, None)


def test_reveals_are_counted_by_policy_and_person(book):
    book.reserve("ana", "violence", MINUTE)
    book.reserve("ana", "gore", MINUTE)
    assert book.of("ana").reveals_by_policy == {"violence": 1, "gore": 1}
    assert book.of("ben").reveals == 0


def test_at_the_cap_nothing_more_is_shown_or_counted(book):
    assert [book.reserve("ana", "violence", MINUTE) for _ in range(7)] == [True] * 5 + [False] * 2
    seen = book.of("ana")
    assert (seen.reveals, seen.left, seen.is_capped) == (5, 0, True)


def test_many_tabs_at_once_do_not_pass_the_cap_together(book):
    with ThreadPoolExecutor(8) as tabs:
        shown = list(tabs.map(lambda _: book.reserve("ana", "violence", MINUTE), range(40)))
    assert shown.count(True) == 5


def test_a_break_is_suggested_again_after_as_many_reveals(book):
    for _ in range(2):
        book.reserve("ana", "violence", MINUTE)
    assert book.of("ana").suggests_break
    book.note_break("ana")
    assert not book.of("ana").suggests_break
    for _ in range(2):
        book.reserve("ana", "violence", MINUTE)
    assert book.of("ana").suggests_break


def test_seconds_end_when_nothing_is_shown_any_more(book):
    book.reserve("ana", "violence", MINUTE)
    book.settle("ana")
    first = book.of("ana").seconds
    book.settle("ana")
    assert 0 <= first < 5
    assert book.of("ana").seconds == first


def test_seconds_never_exceed_what_an_address_lasts(book):
    book.reserve("ana", "violence", timedelta(milliseconds=20))
    marked = book._prefix + "ana"
    wait_until(lambda: book._now_ms() > int(book._redis.hget(marked, "until")) + 100)
    book.settle("ana")
    assert book.of("ana").seconds_by_policy["violence"] == pytest.approx(0.02)


def test_a_new_shift_counts_anew(redis_settings):
    short = ConsoleSettings(shift=timedelta(milliseconds=60))
    book = ExposureBook(redis_settings, short)
    book.reserve("ana", "violence", MINUTE)
    assert book.of("ana").reveals == 1
    wait_until(lambda: book.of("ana").reveals == 0)
    book.close()
