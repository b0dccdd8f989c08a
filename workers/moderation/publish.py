"""Publishing: what messages did to flags goes to Redis, in rounds, until it is acknowledged.

While Redis is away everything stays here and is tried again; nothing is dropped, and consuming
pauses by itself because nothing settles.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Final

from workers.errors import QueueUnavailable
from workers.moderation.lanes import Entry
from workers.review.intake import ReviewIntake
from workers.review.journal import FlagJournal
from workers.review.records import Applied, Step, StreamUpdate
from workers.telemetry import Health, Metrics

logger = logging.getLogger(__name__)

ROUND: Final = 256
LINGER_S: Final = 0.02
"""How long state without a flag waits for company: a round trip for each message costs 0.3 ms."""
CROWD: Final = 32
"""So many do not wait."""
BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An entry and what it did; None for a message that leaves its stream as it was."""

    entry: Entry
    update: StreamUpdate | None


class Publisher:
    """Used by the worker's loop alone. Order is kept within a stream."""

    def __init__(
        self, queue: ReviewIntake, journal: FlagJournal | None, metrics: Metrics, health: Health
    ) -> None:
        self._queue = queue
        self._journal = journal
        self._metrics = metrics
        self._health = health
        self._outgoing: list[Outgoing] = []
        self._due_s = float("inf")
        self._try_after_s = 0.0
        self._backoff_s = BACKOFF_MIN_S

    def __len__(self) -> int:
        return len(self._outgoing)

    def add(self, outgoing: Outgoing) -> None:
        self._outgoing.append(outgoing)
        has_flag = outgoing.update is not None and bool(outgoing.update.steps)
        linger_s = 0.0 if has_flag or len(self._outgoing) >= CROWD else LINGER_S
        self._due_s = min(self._due_s, time.monotonic() + linger_s)

    @property
    def stream_ids(self) -> frozenset[str]:
        """Streams whose newest state Redis does not hold yet."""
        return frozenset(o.update.stream_id for o in self._outgoing if o.update is not None)

    @property
    def wait_s(self) -> float:
        """Seconds until something is due; infinite where nothing waits."""
        return max(self._due_s, self._try_after_s) - time.monotonic()

    def settled(self) -> list[Entry]:
        """Sends what is due; the entries whose effect Redis now holds."""
        if not self._outgoing or self.wait_s > 0:
            return []
        batch = self._outgoing[:ROUND]
        updates = [outgoing.update for outgoing in batch if outgoing.update is not None]
        self._write_journal(updates)
        try:
            applied = self._queue.apply_all(updates)
        except QueueUnavailable as error:
            self._postpone(error)
            return []
        self._recover()
        del self._outgoing[: len(batch)]
        self._due_s = time.monotonic() if self._outgoing else float("inf")
        for update, result in zip(updates, applied, strict=True):
            self._count(update, result)
        return [outgoing.entry for outgoing in batch]

    def _write_journal(self, updates: list[StreamUpdate]) -> None:
        flags = [step.flag for update in updates for step in update.steps]
        if self._journal is not None and flags:
            self._journal.append(flags)

    def _postpone(self, error: QueueUnavailable) -> None:
        self._metrics.redis_retries.inc()
        self._health.obstruct("redis", str(error))
        logger.warning("%s; %d results wait", error, len(self._outgoing))
        self._try_after_s = time.monotonic() + self._backoff_s
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)

    def _recover(self) -> None:
        if self._backoff_s > BACKOFF_MIN_S:
            logger.info("Redis takes flags again")
        self._backoff_s = BACKOFF_MIN_S
        self._health.obstruct("redis", None)

    def _count(self, update: StreamUpdate, result: Applied) -> None:
        if result is Applied.REPLAYED:
            return
        for step in update.steps:
            self._metrics.flags.labels(step.step.value).inc()
            if step.step is Step.OPEN:
                if step.flag.evidence.missing is not None:
                    self._metrics.evidence_missing.inc()
                logger.info(
                    "flag %s: stream %s, score %.2f",
                    step.flag.flag_id,
                    step.flag.stream_id,
                    step.flag.score,
                    extra={"flag_id": step.flag.flag_id, "stream_id": step.flag.stream_id},
                )
