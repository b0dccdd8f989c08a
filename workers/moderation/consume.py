"""The consumer: polls the source on a thread of its own and is never blocked by work.

It holds at most a byte budget of records that the loop has not taken over. At the budget it waits
for room; where none comes, partitions are paused and polling goes on.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from workers.errors import BrokerUnavailable, Fatal, WorkerError
from workers.moderation.source import MessageSource, Positions, Record
from workers.moderation.watermark import Partition
from workers.telemetry import Health

logger = logging.getLogger(__name__)

POLL_S: Final = 0.05
"""Upper bound of how long a commit or a pause waits for the poll to return."""
PATIENCE_S: Final = 1.0
"""How long it is full before partitions are paused: a pause throws away what librdkafka fetched,
and after the resume it fetches again only a second later."""
RETRY_S: Final = 1.0
JOINING: Final = "joining the consumer group"
LAG_EVERY_S: Final = 1.0


class Consumer:
    """Owns the source. `start` after the loop can take records.

    Args:
        open_source: Makes the source on the consumer's thread, given its drain.
        budget_bytes: Records held before consuming pauses.
        drain: Asked, on a thread of the client, to finish work of partitions that move away.
        wake: Called when there is something for the loop.
        health: Told of heartbeats and outages.
    """

    def __init__(
        self,
        open_source: Callable[[], MessageSource],
        budget_bytes: int,
        wake: Callable[[], None],
        health: Health,
    ) -> None:
        self._open_source = open_source
        self._budget_bytes = budget_bytes
        self._wake = wake
        self._health = health
        health.obstruct("kafka", JOINING)
        self._lock = threading.Lock()
        self._records: deque[Record] = deque()
        self._held_bytes = 0
        self._commits: dict[Partition, int] = {}
        self._room = threading.Event()
        self._full_since_s: float | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="consume", daemon=True)
        self.is_paused = False
        self.lag = 0
        self._lag_measured_s = 0.0
        self.failure: WorkerError | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Asks for the last drain and commit; `is_alive` turns False when both are done."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def take(self) -> list[Record]:
        """Records that came since the last call; their bytes count until `free`."""
        with self._lock:
            records = list(self._records)
            self._records.clear()
        return records

    def free(self, size_bytes: int) -> None:
        """Record bytes that the loop does not hold any more."""
        with self._lock:
            self._held_bytes -= size_bytes
            if self._held_bytes < self._budget_bytes:
                self._room.set()

    def commit(self, positions: Positions) -> None:
        """Commits at the next turn of the poll loop."""
        with self._lock:
            self._commits.update(positions)

    def _run(self) -> None:
        try:
            source = self._open_source()
        except WorkerError as error:
            self._fail(error)
            return
        try:
            while not self._stopping.is_set():
                self._turn(source)
        except Fatal as error:
            self._fail(error)
        except Exception as error:
            # The end of this thread must be the end of the process, and never look like a drain.
            logger.exception("consuming ended")
            self._fail(Fatal(f"consuming ended: {error!r}; start the worker again"))
        finally:
            source.close()
            self._wake()

    def _turn(self, source: MessageSource) -> None:
        self._health.beat("consume")
        with self._lock:
            commits, self._commits = self._commits, {}
            is_full = self._held_bytes >= self._budget_bytes
            if is_full:
                self._room.clear()
        self._pause_or_resume(source, is_full)
        try:
            source.commit(commits)
            if is_full and not self.is_paused:
                self._room.wait(POLL_S)
            else:
                # Kept at once: what the client handed out it does not hand out again.
                self._keep(source.poll(POLL_S))
            self._measure_lag(source)
        except BrokerUnavailable as error:
            self._health.obstruct("kafka", str(error))
            logger.warning("%s; trying again", error)
            with self._lock:
                self._commits = {**commits, **self._commits}
            self._stopping.wait(RETRY_S)
            return
        self._health.obstruct("kafka", None if source.has_joined else JOINING)

    def _pause_or_resume(self, source: MessageSource, is_full: bool) -> None:
        now_s = time.monotonic()
        if not is_full:
            self._full_since_s = None
        elif self._full_since_s is None:
            self._full_since_s = now_s
        is_stuck = self._full_since_s is not None and now_s - self._full_since_s >= PATIENCE_S
        if is_stuck != self.is_paused:
            source.pause() if is_stuck else source.resume()
            self.is_paused = is_stuck

    def _measure_lag(self, source: MessageSource) -> None:
        now_s = time.monotonic()
        if now_s - self._lag_measured_s > LAG_EVERY_S:
            self._lag_measured_s = now_s
            self.lag = source.lag()

    def _keep(self, records: list[Record]) -> None:
        if not records:
            return
        with self._lock:
            self._records.extend(records)
            self._held_bytes += sum(len(record.value or b"") for record in records)
        self._wake()

    def _fail(self, error: WorkerError) -> None:
        self.failure = error
        self._wake()
