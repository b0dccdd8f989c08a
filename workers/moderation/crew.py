"""The crew: supervised child processes that decode, and where so composed, infer.

A child that dies or overruns its time is replaced. The job it was on is tried once more in another
child, so that an operator's `kill -9` loses nothing; the second time it is refused. Jobs queued
behind it go elsewhere without prejudice.
"""

from __future__ import annotations

import json
import logging
import os
import selectors
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from typing import Final

from workers.errors import ConfigurationRejected, Fatal
from workers.moderation.child import ChildConfig
from workers.moderation.jobs import (
    MAX_ANSWER_BYTES,
    AnswerRejected,
    Job,
    Outcome,
    Refused,
    outcome_from_message,
    unpacked,
)

logger = logging.getLogger(__name__)

JOBS_PER_CHILD: Final = 2
"""One in work and one waiting, so that a child never idles and a crash costs little."""
GRACE_S: Final = 1.0
"""Wall clock that a job may take beyond its own limit before its child is killed."""
START_LIMIT_S: Final = 60.0
RESTART_BACKOFF_S: Final = 5.0
"""A child that dies before it ever was ready is started again only after this long."""


@dataclass(slots=True, eq=False)
class _Seat:
    """A place for one child."""

    number: int
    process: subprocess.Popen[bytes] | None = None
    link: Connection | None = None
    is_ready: bool = False
    jobs: deque[Job] = field(default_factory=deque)
    since_s: float = 0.0
    """When the job at the head was begun, or the child started."""
    start_after_s: float = 0.0

    def is_overdue(self, now_s: float, limit_s: float) -> bool:
        if self.link is None:
            return False
        if not self.is_ready:
            return now_s - self.since_s > START_LIMIT_S
        return bool(self.jobs) and now_s - self.since_s > limit_s


class Crew:
    """Used by one thread. `config_for` makes a child's configuration from its socket.

    Args:
        children: Processes.
        config: What children are told; `socket_fd` is filled in for each.
        job_limit_s: Wall clock for one job.
        wake: Called back with nothing by `poll` users elsewhere; see `wake()`.
    """

    def __init__(self, children: int, config: ChildConfig, job_limit_s: float) -> None:
        self._config = config
        self._limit_s = job_limit_s + GRACE_S
        self._seats = [_Seat(number) for number in range(children)]
        self._selector = selectors.DefaultSelector()
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._selector.register(self._wake_fd, selectors.EVENT_READ, None)
        self._backlog: deque[Job] = deque()
        self._blamed: set[int] = set()
        self._answers: list[Outcome] = []
        self._failure: str | None = None
        self.restarts = 0

    def start(self) -> None:
        for seat in self._seats:
            self._start(seat)

    def wait_ready(self, timeout_s: float, stop: Callable[[], bool] = lambda: False) -> None:
        """Waits until a child is ready: the engine is sound, and work may come.

        Raises:
            ConfigurationRejected: A child cannot open its engine; says why.
            Fatal: None is ready in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while not any(seat.is_ready for seat in self._seats) and not stop():
            self._answers += self.poll(0.1)
            if time.monotonic() > deadline_s:
                raise Fatal(f"decoder children: not ready after {timeout_s:.0f} s")

    @property
    def free(self) -> int:
        """Jobs that would start or wait in a child's own queue now."""
        places = sum(JOBS_PER_CHILD - len(seat.jobs) for seat in self._seats if seat.is_ready)
        return max(0, places - len(self._backlog))

    @property
    def is_idle(self) -> bool:
        return not self._backlog and not any(seat.jobs for seat in self._seats)

    @property
    def pids(self) -> list[int]:
        return [seat.process.pid for seat in self._seats if seat.process is not None]

    def submit(self, job: Job) -> None:
        """Gives a job to the least busy child, or keeps it until one has room."""
        self._backlog.append(job)
        self._hand_out()

    def wake(self) -> None:
        """Ends a `poll` from any thread."""
        os.eventfd_write(self._wake_fd, 1)

    def poll(self, timeout_s: float) -> list[Outcome]:
        """Waits for answers, at most `timeout_s`; also supervises.

        Raises:
            ConfigurationRejected: A child says that its engine cannot be opened.
        """
        if self._answers:
            timeout_s = 0.0
        for key, _ in self._selector.select(timeout_s):
            seat: _Seat | None = key.data
            if seat is None:
                os.eventfd_read(self._wake_fd)
            else:
                self._receive(seat)
        self._supervise()
        self._hand_out()
        if self._failure is not None:
            raise ConfigurationRejected(self._failure)
        answers, self._answers = self._answers, []
        return answers

    def close(self, deadline_s: float = 2.0) -> None:
        """Ends every child: by closing its socket, then by force."""
        for seat in self._seats:
            self._disconnect(seat)
        end_s = time.monotonic() + deadline_s
        for seat in self._seats:
            if seat.process is not None:
                _end(seat.process, max(0.0, end_s - time.monotonic()))
        self._selector.close()
        os.close(self._wake_fd)

    def _start(self, seat: _Seat) -> None:
        ours, theirs = socket.socketpair()
        values = asdict(self._config) | {"socket_fd": theirs.fileno()}
        shared = [fd for fd in (self._config.arena_fd, self._config.rows_fd) if fd >= 0]
        with theirs:
            seat.process = subprocess.Popen(
                [sys.executable, "-m", "workers.moderation.child", json.dumps(values)],
                pass_fds=[theirs.fileno(), *shared],
                # Hostile video may own this process: it gets no secret of the parent's.
                env={
                    "PATH": os.defpath,
                    "PYTHONPATH": os.pathsep.join(sys.path),
                    "OMP_NUM_THREADS": "1",
                },
                stdin=subprocess.DEVNULL,
                close_fds=True,
            )
        seat.link = Connection(ours.detach())
        seat.is_ready = False
        seat.since_s = time.monotonic()
        self._selector.register(seat.link, selectors.EVENT_READ, seat)

    def _hand_out(self) -> None:
        while self._backlog:
            ready = [s for s in self._seats if s.is_ready and len(s.jobs) < JOBS_PER_CHILD]
            if not ready:
                return
            seat = min(ready, key=lambda candidate: len(candidate.jobs))
            job = self._backlog.popleft()
            if not seat.jobs:
                seat.since_s = time.monotonic()
            seat.jobs.append(job)
            self._send(seat, job)

    def _send(self, seat: _Seat, job: Job) -> None:
        assert seat.link is not None
        try:
            seat.link.send_bytes(job.message())
        except OSError:
            self._replace(seat, "closed its socket")

    def _receive(self, seat: _Seat) -> None:
        assert seat.link is not None
        try:
            message = seat.link.recv_bytes(MAX_ANSWER_BYTES)
            if seat.is_ready:
                self._take_answer(seat, message)
            else:
                self._take_greeting(seat, message)
        except (EOFError, OSError):
            self._replace(seat, "died")
        except AnswerRejected as error:
            self._replace(seat, f"sent {error}")

    def _take_answer(self, seat: _Seat, message: bytes) -> None:
        outcome = outcome_from_message(message)
        if not seat.jobs or outcome.serial != seat.jobs[0].serial:
            raise AnswerRejected(f"an answer to job {outcome.serial}, which it was not asked")
        seat.jobs.popleft()
        seat.since_s = time.monotonic()
        self._blamed.discard(outcome.serial)
        self._answers.append(outcome)

    def _take_greeting(self, seat: _Seat, message: bytes) -> None:
        header, _ = unpacked(message)
        if header.get("kind") == "failed":
            self._failure = str(header.get("detail"))
        elif header.get("kind") == "ready":
            seat.is_ready = True
        else:
            raise AnswerRejected("no greeting")

    def _supervise(self) -> None:
        now_s = time.monotonic()
        for seat in self._seats:
            if seat.is_overdue(now_s, self._limit_s):
                self._replace(seat, "overran its time", reason="time-limit")
            elif seat.link is None and now_s >= seat.start_after_s:
                self._start(seat)

    def _replace(self, seat: _Seat, what: str, reason: str = "decoder-crashed") -> None:
        """Ends a child, settles its jobs and starts the next one."""
        was_ready = seat.is_ready
        self._disconnect(seat)
        if seat.process is not None:
            seat.process.kill()
            seat.process.wait()
        self.restarts += 1
        logger.warning("decoder child %d %s; starting another", seat.number, what)
        if seat.jobs:
            self._blame(seat.jobs.popleft(), reason, what)
        self._backlog.extendleft(reversed(seat.jobs))
        seat.jobs.clear()
        seat.start_after_s = time.monotonic() + (0.0 if was_ready else RESTART_BACKOFF_S)

    def _blame(self, job: Job, reason: str, what: str) -> None:
        """The job a child fell over: once more, then never again."""
        if job.serial in self._blamed:
            self._blamed.discard(job.serial)
            detail = f"two decoder children in a row {what} on this media"
            self._answers.append(Refused(job.serial, reason, detail))
        else:
            self._blamed.add(job.serial)
            self._backlog.appendleft(job)

    def _disconnect(self, seat: _Seat) -> None:
        if seat.link is not None:
            self._selector.unregister(seat.link)
            seat.link.close()
            seat.link = None
        seat.is_ready = False


def _end(process: subprocess.Popen[bytes], timeout_s: float) -> None:
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
