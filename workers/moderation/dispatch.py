"""Dispatch: media into the arena, jobs to the crew, answers back to their entries.

Whatever waits here is bounded: by the arena for media, by the consumer's byte budget for records.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from workers.errors import DeadLettered
from workers.moderation.accounting import Outcome
from workers.moderation.admission import too_large_text, without_value
from workers.moderation.arena import Arena, Span
from workers.moderation.crew import Crew
from workers.moderation.inference import BatchedInference, FramePool
from workers.moderation.jobs import DecodeJob, Refused, Scored
from workers.moderation.lanes import Entry, Stage
from workers.moderation.references import ReferenceReader

REFERENCE_THREADS: Final = 8


class Dispatcher:
    """Used by the worker's loop alone.

    Args:
        arena: Where media lies.
        crew: Who decodes it.
        reader: Fetches media by reference.
        looks_per_second: Sampling rate.
        taken: Called with each entry whose record needs no heap any more.
        inference: Scores frames in batches; None where the children infer.
        pool: Where children then write frames.
    """

    def __init__(
        self,
        arena: Arena,
        crew: Crew,
        reader: ReferenceReader,
        looks_per_second: float,
        taken: Callable[[Entry], None],
        inference: BatchedInference | None = None,
        pool: FramePool | None = None,
    ) -> None:
        self._arena = arena
        self._crew = crew
        self._reader = reader
        self._looks_per_second = looks_per_second
        self._taken = taken
        self._inference = inference
        self._pool = pool
        self._rows: dict[int, tuple[int, ...]] = {}
        self._waiting: deque[tuple[Entry, bytes]] = deque()
        self._working: dict[int, Entry] = {}
        self._fetches: list[tuple[Entry, Future[bytes]]] = []
        self._fetchers = ThreadPoolExecutor(REFERENCE_THREADS, thread_name_prefix="reference")

    def offer(self, entry: Entry) -> None:
        """Takes on a message that needs decoding."""
        value = entry.record.value
        entry.record = without_value(entry.record)
        if value:
            self._waiting.append((entry, value))
        else:
            self._fetches.append((entry, self._fetch(entry)))

    def advance(self) -> None:
        """Moves on what waited for room, for its media or for a decoder."""
        self._collect_fetches()
        while self._waiting and self._crew.free:
            entry, media = self._waiting[0]
            rows = self._pool.take() if self._pool is not None else ()
            span = self._arena.put(media) if rows is not None else None
            if span is None or rows is None:
                if rows and self._pool is not None:
                    self._pool.give_back(rows)
                return
            self._waiting.popleft()
            self._taken(entry)
            if rows:
                self._rows[entry.serial] = rows
            self._submit(entry, span, rows)

    def answer(self, outcome: Scored | Refused) -> Entry | None:
        """The entry that an answer settles; its span stays held until `release`."""
        if isinstance(outcome, Scored) and outcome.rows and self._inference is not None:
            waiting = self._working[outcome.serial]
            assert waiting.arrival is not None, "only messages with a stream are decoded"
            self._inference.add(waiting.arrival.stream_id, outcome)
            return None
        return self._finish(outcome)

    def scored(self) -> list[tuple[Entry, Scored | Refused]]:
        """Entries whose frames a batch has scored since the last call."""
        if self._inference is None:
            return []
        found = [(self._finish(outcome), outcome) for outcome in self._inference.finished()]
        return [(entry, outcome) for entry, outcome in found if entry is not None]

    def _finish(self, outcome: Scored | Refused) -> Entry | None:
        entry = self._working.pop(outcome.serial, None)
        if self._pool is not None:
            self._pool.give_back(self._rows.pop(outcome.serial, ()))
        if entry is None:
            return None
        if isinstance(outcome, Refused):
            entry.refuse(outcome.reason, outcome.detail)
        else:
            entry.looks = outcome.looks
            entry.finish(_outcomes(outcome))
        return entry

    def owns(self, serial: int) -> bool:
        return serial in self._working

    def release(self, entry: Entry) -> None:
        """The entry is settled: its media may be overwritten when the room is needed."""
        if entry.span is not None:
            self._arena.release(entry.span)

    def drop_waiting(self, moves: Callable[[Entry], bool]) -> list[Entry]:
        """Gives up entries that no decoder has begun; their next owner gets them again."""
        dropped = [entry for entry, _ in self._waiting if moves(entry)]
        for entry in dropped:
            self._taken(entry)
        self._waiting = deque(pair for pair in self._waiting if not moves(pair[0]))
        dropped += [entry for entry, _ in self._fetches if moves(entry)]
        self._fetches = [pair for pair in self._fetches if not moves(pair[0])]
        return dropped

    @property
    def pending(self) -> int:
        return len(self._waiting) + len(self._working) + len(self._fetches)

    def close(self) -> None:
        self._fetchers.shutdown(wait=False, cancel_futures=True)

    def _submit(self, entry: Entry, span: Span, rows: tuple[int, ...]) -> None:
        assert entry.content_type is not None, "only frames are offered, and they have a type"
        entry.span = span
        entry.stage = Stage.DECODING
        self._working[entry.serial] = entry
        self._crew.submit(
            DecodeJob(entry.serial, span, entry.content_type, self._looks_per_second, rows)
        )

    def _fetch(self, entry: Entry) -> Future[bytes]:
        assert entry.dataref is not None, "the contract wants media or a reference"
        future = self._fetchers.submit(self._reader.read_patiently, entry.dataref)
        future.add_done_callback(lambda _: self._crew.wake())
        return future

    def _collect_fetches(self) -> None:
        for entry, future in [pair for pair in self._fetches if pair[1].done()]:
            self._fetches.remove((entry, future))
            try:
                media = future.result()
            except DeadLettered as refusal:
                entry.refuse(refusal.reason, refusal.detail)
                continue
            if len(media) <= self._arena.size_bytes:
                self._waiting.append((entry, media))
            else:
                entry.refuse("too-large", too_large_text(len(media), self._arena.size_bytes))


def _outcomes(outcome: Scored) -> dict[Outcome, int]:
    corrupt = sum(look.corrupt for look in outcome.looks)
    return {
        Outcome.SCORED: len(outcome.looks) - corrupt,
        Outcome.CORRUPT: corrupt,
        Outcome.THINNED: max(0, outcome.keyframes - len(outcome.looks)),
    }
