from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workers.simulate.truth import (
    Incident,
    Observation,
    Rule,
    ambiguous_spans,
    incidents_of,
    joined,
    violent_share,
    without,
)

RULE = Rule()
FPS = 4


def film(length_s, hits=(), threats=()):
    """Observations at four frames a second with hits and threats at the given seconds."""
    return [
        Observation(
            frame / FPS,
            damage_dealt=10 if frame / FPS in hits else 0,
            threat=any(start <= frame / FPS < end for start, end in threats),
        )
        for frame in range(int(length_s * FPS))
    ]


def spans_of(incidents):
    return [(incident.start_s, incident.end_s) for incident in incidents]


def test_damage_closer_than_two_seconds_is_one_incident():
    assert spans_of(incidents_of(film(20, hits=(5.0, 6.75, 8.5)), RULE)) == [(5.0, 8.5)]


def test_damage_two_seconds_apart_is_two_incidents():
    assert spans_of(incidents_of(film(20, hits=(5.0, 7.0)), RULE)) == [(5.0, 5.0), (7.0, 7.0)]


def test_a_single_hit_is_kept_however_short():
    assert spans_of(incidents_of(film(20, hits=(5.0,)), RULE)) == [(5.0, 5.0)]


def test_an_incident_sums_what_happened_in_it():
    seen = [
        Observation(1.0, damage_dealt=20),
        Observation(1.5, damage_taken=7),
        Observation(2.0, damage_dealt=5, kills=2),
    ]
    assert incidents_of(seen, RULE) == [
        Incident(start_s=1.0, end_s=2.0, kills=2, damage_dealt=25, damage_taken=7)
    ]


def test_a_kill_without_damage_by_the_player_is_no_incident():
    assert incidents_of([Observation(1.0, kills=3)], RULE) == []


def test_a_threat_before_the_first_damage_is_ambiguous():
    seen = film(20, hits=(5.0,), threats=((3.0, 5.0),))
    assert ambiguous_spans(seen, incidents_of(seen, RULE), RULE) == [(3.0, 5.0), (5.0, 6.5)]


def test_a_threat_without_any_damage_is_ambiguous():
    seen = film(20, threats=((3.0, 5.0),))
    assert ambiguous_spans(seen, [], RULE) == [(3.0, 5.0)]


def test_threats_at_most_one_second_apart_are_joined():
    seen = film(20, threats=((3.0, 4.0), (5.0, 6.0)))
    assert ambiguous_spans(seen, [], RULE) == [(3.0, 6.0)]


def test_the_aftermath_ends_with_the_take():
    seen = film(6, hits=(5.0,))
    assert ambiguous_spans(seen, incidents_of(seen, RULE), RULE) == [(5.0, 5.75)]


def test_calm_play_has_neither_incidents_nor_ambiguous_time():
    seen = film(20)
    assert incidents_of(seen, RULE) == []
    assert ambiguous_spans(seen, [], RULE) == []


def test_nothing_seen_gives_nothing():
    assert incidents_of([], RULE) == []
    assert ambiguous_spans([], [], RULE) == []


def test_the_share_of_violent_time_is_that_of_the_incidents():
    incidents = incidents_of(film(20, hits=(5.0, 6.0, 7.0)), RULE)
    assert violent_share(incidents, 20.0) == 0.1


frames = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=200)


@given(frames)
def test_every_hit_lies_in_exactly_one_incident_and_none_is_near_another(flags):
    seen = [
        Observation(n / FPS, damage_dealt=dealt, damage_taken=taken)
        for n, (dealt, taken, _) in enumerate(flags)
    ]
    incidents = incidents_of(seen, RULE)
    for one in seen:
        holding = [i for i in incidents if i.start_s <= one.time_s <= i.end_s]
        assert len(holding) == 1 if one.damage_dealt or one.damage_taken else len(holding) <= 1
    for before, after in pairwise(incidents):
        assert after.start_s - before.end_s >= RULE.join_s


@given(frames)
def test_ambiguous_spans_are_ordered_disjoint_and_outside_every_incident(flags):
    seen = [
        Observation(n / FPS, damage_dealt=dealt, threat=threat)
        for n, (dealt, _, threat) in enumerate(flags)
    ]
    incidents = incidents_of(seen, RULE)
    spans = ambiguous_spans(seen, incidents, RULE)
    assert all(start < end for start, end in spans)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))
    for start, end in spans:
        assert all(end <= i.start_s or start >= i.end_s for i in incidents)


points = st.integers(0, 50)
spans = st.lists(st.tuples(points, points).map(lambda pair: (min(pair), max(pair))), max_size=12)


def covered(spans):
    return {step for start, end in spans for step in range(int(start), int(end))}


@given(spans, spans)
def test_cutting_holes_leaves_exactly_the_rest(whole, holes):
    left = without(joined(whole), holes)
    assert covered(left) == covered(whole) - covered(holes)
