"""Starts one process per stream, hears from all, starts a crashed one again, stops them in time."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Final

from workers.ingest.backoff import Backoff
from workers.ingest.link import STOP, LogLine
from workers.ingest.plan import StreamPlan
from workers.ingest.process import run_stream
from workers.ingest.status import FINAL_STATES, StreamState, StreamStatus

TICK_S: Final = 0.2
MOST_CRASHES: Final = 5
"""In a row, without a message between them: then the stream has failed."""
log = logging.getLogger(__name__)


class StreamHandle:
    """One stream and the process that runs it, if one does."""

    def __init__(self, plan: StreamPlan, level: str) -> None:
        self.plan = plan
        self.status = StreamStatus(plan.stream_id, plan.address.shown)
        self._level = level
        self._context = multiprocessing.get_context("spawn")
        self._backoff = Backoff(plan.settings.backoff_min, plan.settings.backoff_max)
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._crashes = 0
        self._start_at_s = 0.0
        self._before = StreamStatus(plan.stream_id, plan.address.shown)

    @property
    def connection(self) -> Connection | None:
        return self._connection

    @property
    def is_done(self) -> bool:
        return self.status.state in FINAL_STATES and self._process is None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start_if_due(self) -> None:
        """Starts the process where none runs and its pause is over."""
        if self._process is not None or self.is_done or time.monotonic() < self._start_at_s:
            return
        ours, theirs = self._context.Pipe()
        self._process = self._context.Process(
            target=run_stream,
            args=(self.plan, theirs, self._level),
            name=f"ingest-{self.plan.stream_id}",
            daemon=True,
        )
        self._process.start()
        theirs.close()
        self._connection = ours

    def hear(self) -> None:
        """Takes one report; at the pipe's end, the process."""
        if self._connection is None:
            return
        try:
            report = self._connection.recv()
        except (EOFError, OSError):
            self._bury()
            return
        if isinstance(report, LogLine):
            report.log()
        else:
            self._crashes = 0 if report.messages else self._crashes
            self.status = report.after(self._before)

    def stop(self) -> None:
        """Asks the process to end soon."""
        if self._connection is None:
            self.settle()
            return
        # One that has just ended is noticed by `hear`.
        with contextlib.suppress(OSError):
            self._connection.send(STOP)

    def settle(self) -> None:
        """While everything stops, a stream without a process is stopped."""
        if self._process is None and not self.is_done:
            self.status.state = StreamState.STOPPED

    def kill(self) -> None:
        """Ends a process that did not stop in time."""
        if self._process is not None:
            log.warning("did not stop in time: killed", extra={"stream_id": self.plan.stream_id})
            self._process.kill()
            self._bury()
            self.status.state = StreamState.STOPPED

    def _bury(self) -> None:
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if connection is not None:
            connection.close()
        if process is None:
            return
        process.join()
        code = process.exitcode
        process.close()
        if self.status.state not in FINAL_STATES:
            self._note_crash(code)

    def _note_crash(self, code: int | None) -> None:
        self._crashes += 1
        self._before = self.status
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        self.status.error = f"{self.status.source}: its process ended by {how}"
        log.error("%s", self.status.error, extra={"stream_id": self.plan.stream_id})
        # A recording would begin anew and send everything twice.
        if self._crashes >= MOST_CRASHES or (self.plan.address.is_recording and not self.plan.loop):
            self.status.state = StreamState.FAILED
            return
        self.status.state = StreamState.WAITING
        self._start_at_s = time.monotonic() + self._backoff.next_s()


class Supervisor:
    """Runs streams side by side.

    Args:
        plans: The streams.
        level: Log level of their processes.
        stopping: Asks all of them to stop when set.
        drain_deadline: How long they may take to stop.
    """

    def __init__(
        self,
        plans: Sequence[StreamPlan],
        level: str,
        stopping: threading.Event,
        drain_deadline: timedelta,
    ) -> None:
        self.handles = [StreamHandle(plan, level) for plan in plans]
        self._stopping = stopping
        self._deadline_s = drain_deadline.total_seconds()

    @property
    def statuses(self) -> list[StreamStatus]:
        return [handle.status for handle in self.handles]

    def run(self, tick: Callable[[list[StreamStatus]], None]) -> list[StreamStatus]:
        """Returns when all streams are done, with their last status.

        Args:
            tick: Called several times a second.
        """
        while not self._stopping.is_set() and not self._are_done():
            for handle in self.handles:
                handle.start_if_due()
            self._hear(TICK_S)
            tick(self.statuses)
        self._drain(tick)
        return self.statuses

    def _drain(self, tick: Callable[[list[StreamStatus]], None]) -> None:
        for handle in self.handles:
            if not handle.is_done:
                handle.stop()
        deadline_s = time.monotonic() + self._deadline_s
        while not self._are_done() and time.monotonic() < deadline_s:
            self._hear(TICK_S)
            tick(self.statuses)
            for handle in self.handles:
                handle.settle()
        for handle in self.handles:
            handle.kill()

    def _are_done(self) -> bool:
        return all(handle.is_done for handle in self.handles)

    def _hear(self, timeout_s: float) -> None:
        by_connection = {
            handle.connection: handle for handle in self.handles if handle.connection is not None
        }
        if not by_connection:
            self._stopping.wait(timeout_s)
            return
        for connection in wait(list(by_connection), timeout_s):
            by_connection[connection].hear()  # type: ignore[index]
