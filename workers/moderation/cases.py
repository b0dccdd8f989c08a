"""Cases: a flag that opens needs its evidence stored before people see it.

A case holds its lane: what follows in the stream waits, other streams do not. Evidence that cannot
be had never costs the flag; the flag then says what is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Final

from schemas.flags import Evidence, Flag
from schemas.frames import ContentType
from workers.errors import DeadLettered
from workers.moderation.arena import Arena, Span
from workers.moderation.crew import Crew
from workers.moderation.evidence import CutClip, EvidenceWriter, TakenPicture
from workers.moderation.incidents import StreamState, with_evidence
from workers.moderation.jobs import ClipJob, ClipMade, ClipPart, Refused
from workers.moderation.lanes import Entry, Lane, PastPart
from workers.moderation.references import ReferenceReader, ReferenceUnavailable
from workers.moderation.transport_stream import is_transport_stream
from workers.review.records import FlagStep, Step

logger = logging.getLogger(__name__)

FIRST_SERIAL: Final = 1 << 60
"""Serials of cases never meet those of messages."""


@dataclass(slots=True, eq=False)
class Case:
    """One opening: what is known, and what is still on its way."""

    serial: int
    lane: Lane
    entry: Entry
    state: StreamState
    steps: tuple[FlagStep, ...]
    parts: list[PastPart]
    looks: list[tuple[int, float, float]]
    """(part, seconds into it, score) of each picture wanted."""
    spans: list[Span] = field(default_factory=list)
    fetches: list[Future[bytes]] = field(default_factory=list)
    evidence: Future[Evidence] | None = None

    @property
    def flag(self) -> Flag:
        return next(step.flag for step in self.steps if step.step is Step.OPEN)

    def with_evidence(self, evidence: Evidence) -> tuple[StreamState, tuple[FlagStep, ...]]:
        """State and steps, their flags holding the evidence."""
        steps = tuple(
            replace(step, flag=step.flag.model_copy(update={"evidence": evidence}))
            for step in self.steps
        )
        return with_evidence(self.state, steps[-1].flag), steps


class CaseDesk:
    """Opens cases and sees them through; used by the worker's loop alone."""

    def __init__(
        self,
        arena: Arena,
        crew: Crew,
        writer: EvidenceWriter,
        reader: ReferenceReader,
        pre_roll_s: float,
        pictures: int,
    ) -> None:
        self._arena = arena
        self._crew = crew
        self._writer = writer
        self._reader = reader
        self._pre_roll_s = pre_roll_s
        self._pictures = pictures
        self._serials = count(FIRST_SERIAL)
        self._open: dict[int, Case] = {}
        self._fetchers = ThreadPoolExecutor(2, thread_name_prefix="case")

    def __len__(self) -> int:
        return len(self._open)

    def open(
        self, lane: Lane, entry: Entry, state: StreamState, steps: tuple[FlagStep, ...]
    ) -> None:
        """Begins to gather the evidence of the flag that `steps` opens; holds the lane."""
        lane.busy = True
        opening = next(step.flag for step in steps if step.step is Step.OPEN)
        since_s = opening.onset_at.timestamp() - self._pre_roll_s
        parts = [part for part in lane.past if part.captured_s >= since_s]
        case = Case(next(self._serials), lane, entry, state, steps, parts, self._best_looks(parts))
        self._open[case.serial] = case
        if self._needs_fetching(parts):
            self._fetch(case)
        else:
            self._cut(case, [part.span for part in parts])

    def answer(self, outcome: ClipMade | Refused) -> None:
        """The crew made the clip and pictures, or could not."""
        case = self._open.get(outcome.serial)
        if case is None:
            return
        for span in case.spans:
            self._arena.release(span)
        case.spans.clear()
        if isinstance(outcome, Refused):
            logger.warning("no evidence for flag %s: %s", case.flag.flag_id, outcome.detail)
            missing = f"{outcome.reason}: {outcome.detail}"
            case.evidence = self._writer.write(case.flag, [], None, missing)
            return
        case.evidence = self._writer.write(case.flag, *self._gathered(case, outcome), None)

    def finished(self) -> list[Case]:
        """Cases whose evidence is stored; their lanes may go on."""
        for case in list(self._open.values()):
            if case.fetches and all(fetch.done() for fetch in case.fetches):
                self._take_fetched(case)
        done = [case for case in self._open.values() if case.evidence and case.evidence.done()]
        for case in done:
            del self._open[case.serial]
            case.lane.busy = False
        return done

    def close(self) -> None:
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    def _best_looks(self, parts: list[PastPart]) -> list[tuple[int, float, float]]:
        """The highest scores, in the order of time."""
        looks = [
            (number, look.pts_s, look.score)
            for number, part in enumerate(parts)
            for look in part.looks
        ]
        return sorted(sorted(looks, key=lambda look: -look[2])[: self._pictures])

    @staticmethod
    def _needs_fetching(parts: list[PastPart]) -> bool:
        return any(part.dataref is not None for part in parts)

    def _fetch(self, case: Case) -> None:
        """The messages held single keyframes; their segments lie elsewhere."""
        wake: Callable[[object], None] = lambda _: self._crew.wake()  # noqa: E731
        for part in case.parts:
            future = self._fetchers.submit(self._reader.read, part.dataref or "")
            future.add_done_callback(wake)
            case.fetches.append(future)

    def _take_fetched(self, case: Case) -> None:
        spans: list[Span | None] = []
        for number, fetch in enumerate(case.fetches):
            try:
                media = fetch.result()
                spans.append(self._arena.put(media))
            except (DeadLettered, ReferenceUnavailable, ValueError) as error:
                logger.warning("evidence of flag %s: %s", case.flag.flag_id, error)
                spans.append(None)
                continue
            is_ts = is_transport_stream(media)
            kind = ContentType.MPEG_TS if is_ts else ContentType.FRAGMENTED_MP4
            case.parts[number] = replace(case.parts[number], content_type=kind)
        case.fetches = []
        self._cut(case, spans)
        for span in spans:
            if span is not None:
                self._arena.release(span)  # `_cut` holds what it needs

    def _cut(self, case: Case, spans: list[Span | None]) -> None:
        """Asks a child for clip and pictures of what can still be had."""
        jobs: list[ClipPart] = []
        place: dict[int, int] = {}
        first_s = case.parts[0].captured_s if case.parts else 0.0
        for number, (part, span) in enumerate(zip(case.parts, spans, strict=True)):
            if span is None or not self._arena.hold(span):
                continue
            case.spans.append(span)
            place[number] = len(jobs)
            jobs.append(ClipPart(span, part.content_type, part.captured_s - first_s))
        case.looks = [(place[n], pts_s, score) for n, pts_s, score in case.looks if n in place]
        case.parts = [part for number, part in enumerate(case.parts) if number in place]
        if jobs:
            pictures = tuple((number, pts_s) for number, pts_s, _ in case.looks)
            self._crew.submit(ClipJob(case.serial, tuple(jobs), pictures))
        else:
            missing = "the media was overwritten before it was cut; raise FLAGPOST_WORKER_MEMORY"
            case.evidence = self._writer.write(case.flag, [], None, missing)

    def _gathered(self, case: Case, made: ClipMade) -> tuple[list[TakenPicture], CutClip | None]:
        pictures = [
            TakenPicture(case.parts[number].captured_s + pts_s, score, jpeg)
            for (number, pts_s, score), jpeg in zip(case.looks, made.pictures, strict=False)
        ]
        if made.clip is None:
            return pictures, None
        start_s = case.parts[0].captured_s
        clip = CutClip(start_s + made.starts_s, start_s + made.ends_s, made.clip)
        return pictures, clip
