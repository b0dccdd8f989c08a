"""The scoreboard counts what the README's truth rule says."""

from datetime import UTC, datetime, timedelta

from schemas.truth import AmbiguousSpan, TrueIncident
from tests.workers.review.flags import flag
from workers.demo.scoreboard import SeenFlag, score

START = datetime(2026, 1, 1, tzinfo=UTC)
LATE = START + timedelta(hours=1)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def incident(start: float, end: float, stream: str = "s") -> TrueIncident:
    return TrueIncident(
        stream_id=stream,
        session_id="a",
        starts_at=at(start),
        ends_at=at(end),
        kills=1,
        damage_dealt=10,
        damage_taken=0,
    )


def seen(onset: float, last: float, stored: float, stream: str = "s") -> SeenFlag:
    return SeenFlag(
        flag(stream_id=stream, onset_at=at(onset), opened_at=at(onset), last_at=at(last)),
        at(stored),
    )


def test_a_flag_inside_an_incident_finds_it_and_its_delay_is_to_redis():
    found = score([incident(10, 20)], [seen(11, 19, 12.5)], LATE)
    assert (found.recall, found.false_flags, found.median_delay_s) == (1.0, 0, 2.5)


def test_an_incident_without_a_flag_is_missed():
    assert score([incident(10, 20)], [], LATE).recall == 0.0


def test_a_flag_of_another_stream_finds_nothing_and_is_false():
    found = score([incident(10, 20)], [seen(11, 19, 12, stream="other")], LATE)
    assert (found.flagged, found.false_flags) == (0, 1)


def test_a_flag_in_ambiguous_time_is_neither_found_nor_false():
    span = AmbiguousSpan(stream_id="s", session_id="a", starts_at=at(5), ends_at=at(9))
    found = score([span], [seen(6, 8, 7)], LATE)
    assert (found.incidents, found.false_flags) == (0, 0)


def test_a_flag_in_calm_time_is_false():
    assert score([incident(10, 20)], [seen(40, 45, 41)], LATE).false_flags == 1


def test_one_flag_may_find_two_incidents_and_the_second_without_delay():
    found = score([incident(10, 12), incident(15, 18)], [seen(11, 18, 12)], LATE)
    assert found.flagged == 2
    assert found.delays_s == (2.0, 0.0)


def test_an_incident_that_has_just_begun_is_not_judged():
    assert score([incident(10, 20)], [], at(12)).incidents == 0


def test_without_incidents_there_is_no_recall():
    assert score([], [], LATE).recall is None
