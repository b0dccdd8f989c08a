"""What the work page shows beside a flag's own facts, read in one round trip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from schemas.flags import Flag
from schemas.policies import PolicySet
from workers.console.exposure import Exposure
from workers.console.notepad import Said
from workers.console.parts import ConsoleParts
from workers.console.people import Person
from workers.console.preferences import Preferences
from workers.review.board import FlagRecord
from workers.review.history import StreamHistory
from workers.review.roundtrip import RoundTrip


@dataclass(frozen=True, slots=True)
class PersonGlance:
    """What is kept of the person who asks.

    Attributes:
        said: The result of their last action.
        draft: The flag and the text of a note half written.
        preferences: Their keys, and what they opted out of.
        exposure: What they saw unblurred in this shift.
    """

    said: Said | None
    draft: tuple[str, str]
    preferences: Preferences
    exposure: Exposure


@dataclass(frozen=True, slots=True)
class FlagGlance:
    """What is known around a flag.

    Attributes:
        record: Where it is on its way; None if it is gone.
        silent: How long ago its stream was heard; None where not for a day.
        past: How the stream's other flags were decided.
        policies: Those in force.
    """

    record: FlagRecord | None
    silent: timedelta | None
    past: StreamHistory
    policies: PolicySet


def person_glance(parts: ConsoleParts, person: Person) -> PersonGlance:
    """For a page without a flag; raises QueueUnavailable where Redis does not answer."""
    trip = parts.round_trip()
    about_person = _ask_of_person(trip, parts, person)
    trip.go()
    return about_person()


def glances(parts: ConsoleParts, person: Person, flag: Flag) -> tuple[PersonGlance, FlagGlance]:
    """For a page of a flag; raises QueueUnavailable where Redis does not answer."""
    trip = parts.round_trip()
    about_person = _ask_of_person(trip, parts, person)
    record = trip.ask(parts.board.ask(flag.flag_id))
    silent = trip.ask(parts.onair.ask(flag.stream_id))
    others = trip.ask(parts.history.ask_stream(flag.stream_id))
    policies = trip.ask(parts.policies.ask_current())
    trip.go()
    past = parts.history.record_of([other for other in others() if other != flag.flag_id])
    return about_person(), FlagGlance(record(), silent(), past, policies())


def _ask_of_person(
    trip: RoundTrip, parts: ConsoleParts, person: Person
) -> Callable[[], PersonGlance]:
    said = trip.ask(parts.notepad.ask_said(person.name))
    draft = trip.ask(parts.notepad.ask_draft(person.name))
    preferences = trip.ask(parts.preferences.ask(person.name))
    exposure = trip.ask(parts.exposure.ask(person.name))
    return lambda: PersonGlance(said(), draft(), preferences(), exposure())
