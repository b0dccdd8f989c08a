"""Batched inference in the parent: children decode into a frame pool, one engine takes batches.

The composition for a GPU, where batches across streams pay. Frames lie in shared memory rows; a
message's rows are taken when its job is made and given back when its scores are known.
"""

from __future__ import annotations

import math
import mmap
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from engines.engine import Engine, Frames
from engines.errors import EngineFault, EngineLost
from workers.errors import Fatal
from workers.moderation.batching import Batcher, Waiting
from workers.moderation.jobs import Refused, Scored, ScoredFrame

ROWS_PER_MESSAGE: Final = 8
IDLE_S: Final = 0.05


class FramePool:
    """Rows of uint8 [height, width, 3] that children write and the engine's thread reads."""

    def __init__(self, rows: int, width: int, height: int) -> None:
        self.rows, self.width, self.height = rows, width, height
        shape = (rows, height, width, 3)
        self.fd = os.memfd_create("flagpost-frames", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, math.prod(shape))
        self._memory = mmap.mmap(self.fd, math.prod(shape))
        self.frames: Frames = np.frombuffer(self._memory, np.uint8).reshape(shape)
        self._free = deque(range(rows))

    def take(self) -> tuple[int, ...] | None:
        """Rows for one message; None where all are in use."""
        if len(self._free) < ROWS_PER_MESSAGE:
            return None
        return tuple(self._free.popleft() for _ in range(ROWS_PER_MESSAGE))

    def give_back(self, rows: tuple[int, ...]) -> None:
        self._free.extend(rows)

    def close(self) -> None:
        os.close(self.fd)


@dataclass(slots=True, eq=False)
class _Pending:
    """A decoded message, and the scores of its rows that are known."""

    decoded: Scored
    scores: dict[int, float]
    started_s: float


class BatchedInference:
    """An engine on a thread of its own; `done` is called when scores can be taken.

    Raises:
        Fatal: From `finished`, when the device is lost: the process must end.
    """

    def __init__(
        self, engine: Engine, pool: FramePool, batcher: Batcher, done: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._batcher = batcher
        self._done = done
        self._changed = threading.Condition()
        self._pending: dict[int, _Pending] = {}
        self._owners: dict[int, int] = {}
        self._finished: list[Scored | Refused] = []
        self._failure: Exception | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="infer", daemon=True)
        self.batches = 0

    def start(self) -> None:
        self._thread.start()

    def add(self, stream_id: str, decoded: Scored) -> None:
        """Takes over a decoded message whose frames lie in rows."""
        now_s = time.monotonic()
        with self._changed:
            self._pending[decoded.serial] = _Pending(decoded, {}, now_s)
            for row in decoded.rows:
                self._owners[row] = decoded.serial
                self._batcher.add(Waiting(stream_id, row, now_s))
            self._changed.notify()

    def finished(self) -> list[Scored | Refused]:
        """Messages whose frames are all scored since the last call."""
        with self._changed:
            if self._failure is not None:
                raise Fatal(f"the engine is lost: {self._failure}") from self._failure
            finished, self._finished = self._finished, []
        return finished

    def close(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()
        self._engine.close()

    def _run(self) -> None:
        while True:
            with self._changed:
                batch = self._next_batch()
            if batch is None:
                return
            try:
                self._infer([frame.row for frame in batch])
            except EngineLost as error:
                self._failure = error
                self._done()
                return

    def _next_batch(self) -> list[Waiting] | None:
        while not self._stopping:
            due_s = self._batcher.due_in(time.monotonic())
            if due_s == 0.0:
                return self._batcher.take()
            self._changed.wait(IDLE_S if due_s is None else due_s)
        return None

    def _infer(self, rows: list[int]) -> None:
        try:
            slot = self._engine.slot()
            slot.frames[: len(rows)] = self._pool.frames[rows]
            self._engine.submit(slot, len(rows))
            logits = self._engine.collect(slot)
        except EngineFault as error:
            self._settle(rows, None, str(error))
            return
        self._settle(rows, 1.0 / (1.0 + np.exp(-logits.astype(np.float64))), "")

    def _settle(self, rows: list[int], scores: np.ndarray | None, fault: str) -> None:
        with self._changed:
            self.batches += 1
            for number, row in enumerate(rows):
                serial = self._owners.pop(row)
                pending = self._pending.get(serial)
                if pending is None:
                    continue  # refused with an earlier row of the same message
                if scores is None:
                    del self._pending[serial]
                    self._finished.append(Refused(serial, "engine-fault", fault))
                    continue
                pending.scores[row] = float(scores[number])
                if len(pending.scores) == len(pending.decoded.rows):
                    del self._pending[serial]
                    self._finished.append(_scored(pending))
        self._done()


def _scored(pending: _Pending) -> Scored:
    decoded = pending.decoded
    looks = tuple(
        ScoredFrame(look.pts_s, pending.scores[row], look.corrupt)
        for look, row in zip(decoded.looks, decoded.rows, strict=False)
    )
    return replace(decoded, looks=looks, infer_s=time.monotonic() - pending.started_s)
