"""Everything a request may need, made once at the start and handed to each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Final

from fastapi import Depends
from redis import Redis
from starlette.requests import HTTPConnection

from workers.console.audit import AuditLog
from workers.console.exposure import ExposureBook
from workers.console.gallery import Gallery
from workers.console.links import OneTimeLinks
from workers.console.local import LocalPeople
from workers.console.notepad import Notepad
from workers.console.onair import OnAir
from workers.console.preferences import PreferenceBook
from workers.console.pulse import Kept, reviewers
from workers.console.rates import Rates
from workers.console.sessions import Sessions
from workers.console.signing import MediaSigner
from workers.console.state import ConsoleState
from workers.console.tokens import ServiceTokens
from workers.moderation.evidence import EvidenceStore
from workers.review.board import Board, BoardCounts
from workers.review.desk import ReviewDesk
from workers.review.history import DecisionHistory
from workers.review.policies import PolicyBook
from workers.review.roundtrip import RoundTrip
from workers.review.scripts import connect
from workers.settings import ConsoleSettings, EvidenceSettings, RedisSettings

COUNTS_FRESH: Final = timedelta(seconds=2)
COLLEAGUES_FRESH: Final = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class ConsoleParts:
    """The parts of one console process; all of them may be used by several threads."""

    settings: ConsoleSettings
    redis: RedisSettings
    reading: Redis
    secret: bytes
    desk: ReviewDesk
    board: Board
    policies: PolicyBook
    history: DecisionHistory
    evidence: EvidenceStore
    audit: AuditLog
    sessions: Sessions
    signer: MediaSigner
    exposure: ExposureBook
    preferences: PreferenceBook
    gallery: Gallery
    notepad: Notepad
    onair: OnAir
    counts: Kept[BoardCounts]
    colleagues: Kept[frozenset[str]]
    rates: Rates
    people: LocalPeople
    links: OneTimeLinks
    tokens: ServiceTokens

    def round_trip(self) -> RoundTrip:
        """For questions of several parts at once."""
        return RoundTrip(self.reading)

    def close(self) -> None:
        for part in (
            self.reading,
            self.desk, self.links, self.rates, self.audit, self.exposure, self.preferences,
            self.gallery, self.notepad, self.onair, self.board, self.policies, self.history,
        ):  # fmt: skip
            part.close()
        self.sessions.stop()


def made_parts(
    settings: ConsoleSettings, redis: RedisSettings, evidence: EvidenceSettings
) -> ConsoleParts:
    """Makes every part from settings.

    Raises:
        ConfigurationRejected: The state directory cannot be used.
    """
    state = ConsoleState(settings.state)
    desk = ReviewDesk(redis, settings.second_review_share)
    secret = state.secret()
    store = EvidenceStore(evidence.url)
    board = Board(redis)
    people, sessions = LocalPeople(state.people), Sessions(redis, settings, desk)
    return ConsoleParts(
        settings=settings,
        redis=redis,
        reading=connect(redis),
        secret=secret,
        desk=desk,
        board=board,
        policies=PolicyBook(redis),
        history=DecisionHistory(redis),
        evidence=store,
        audit=AuditLog(state.audit),
        sessions=sessions,
        signer=MediaSigner(secret),
        exposure=ExposureBook(redis, settings),
        preferences=PreferenceBook(redis),
        gallery=Gallery(store),
        notepad=Notepad(redis, settings),
        onair=OnAir(redis),
        counts=Kept(board.counts, COUNTS_FRESH),
        colleagues=Kept(lambda: reviewers(people, sessions), COLLEAGUES_FRESH),
        rates=Rates(redis, settings),
        people=people,
        links=OneTimeLinks(secret, redis),
        tokens=ServiceTokens(state.tokens),
    )


def parts_of(connection: HTTPConnection) -> ConsoleParts:
    parts: ConsoleParts = connection.app.state.parts
    return parts


async def _given(connection: HTTPConnection) -> ConsoleParts:
    """As a dependency: one that is not async takes a thread for each request."""
    return parts_of(connection)


Parts = Annotated[ConsoleParts, Depends(_given)]
