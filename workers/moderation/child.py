"""The child process: everything that touches untrusted media, and nothing else.

Started by the crew as `python -m workers.moderation.child CONFIG` with an environment without
secrets, the arena mapped read-only and one socket. It may crash; the parent never does with it.
"""

from __future__ import annotations

import ctypes
import json
import math
import mmap
import resource
import signal
import sys
import time
from dataclasses import dataclass
from itertools import groupby
from multiprocessing.connection import Connection
from operator import itemgetter
from typing import Any, Final

import numpy as np

from engines.bundle import bundle_named
from engines.engine import Engine, Frames
from engines.errors import EngineError, EngineLost
from engines.opening import open_engine
from engines.preprocess import FrameScaler
from schemas.frames import ContentType
from workers.errors import DeadLettered
from workers.heap import keep_freed_memory
from workers.lifecycle import EXIT_TRY_AGAIN
from workers.moderation.clips import Part, pictures_at, remux
from workers.moderation.decode import Decoded, DecodeLimits, decode_looks
from workers.moderation.jobs import packed, unpacked

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_OPEN_FILES: Final = 64


@dataclass(frozen=True, slots=True)
class ChildConfig:
    """What the parent tells a child at its start; holds no secret.

    Attributes:
        arena_fd: Descriptor of the arena.
        arena_bytes: Its size.
        socket_fd: Descriptor of the socket to the parent.
        bundle: Bundle to infer with; None in the batched role.
        backend: Engine backend.
        precision: Engine precision.
        device: Engine device.
        rows_fd: Descriptor of the frame pool; -1 where the child infers itself.
        rows: Rows of the frame pool.
        width: Input width in pixels of the frame pool.
        height: Input height in pixels of the frame pool.
        max_pixels: Limit for one picture.
        time_limit_s: Limit for one piece of media.
        memory_bytes: Address space that the child may take.
    """

    arena_fd: int
    arena_bytes: int
    socket_fd: int
    bundle: str | None
    backend: str
    precision: str
    device: str
    rows_fd: int
    rows: int
    width: int
    height: int
    max_pixels: int
    time_limit_s: float
    memory_bytes: int


class Child:
    """Answers jobs, one at a time, in order."""

    def __init__(self, config: ChildConfig) -> None:
        self._limits = DecodeLimits(config.max_pixels, config.time_limit_s)
        arena = mmap.mmap(config.arena_fd, config.arena_bytes, prot=mmap.PROT_READ)
        self._arena = memoryview(arena)
        self._engine: Engine | None = None
        self._rows: Frames | None = None
        if config.bundle is not None:
            bundle = bundle_named(config.bundle)
            self._engine = open_engine(bundle, config.backend, config.precision, config.device)
            width, height = self._engine.spec.width, self._engine.spec.height
        else:
            width, height = config.width, config.height
            shape = (config.rows, height, width, 3)
            pool = mmap.mmap(config.rows_fd, math.prod(shape))
            self._rows = np.frombuffer(pool, np.uint8).reshape(shape)
        self._scaler = FrameScaler(width, height)

    def answer(self, message: bytes) -> bytes:
        """Does one job."""
        header, _ = unpacked(message)
        try:
            if header["kind"] == "decode":
                return self._decode(header)
            return self._clip(header)
        except DeadLettered as refusal:
            return packed(
                {
                    "kind": "refused",
                    "serial": header["serial"],
                    "reason": refusal.reason,
                    "detail": refusal.detail,
                }
            )

    def _media(self, start: int, length: int) -> memoryview:
        """Where the parent put it; it stays there until the job is answered."""
        return self._arena[start : start + length]

    def _decode(self, header: dict[str, Any]) -> bytes:
        started_s = time.perf_counter()
        media = self._media(header["start"], header["length"])
        content_type = ContentType(header["content_type"])
        decoded = decode_looks(media, content_type, header["looks_per_second"], self._limits)
        scores, rows, infer_s = self._consume(decoded, header["rows"])
        looks = [
            (frame.pts_s, score, frame.corrupt)
            for frame, score in zip(decoded.frames, scores, strict=False)
        ]
        return packed(
            {
                "kind": "scored",
                "serial": header["serial"],
                "looks": looks,
                "rows": rows,
                "keyframes": decoded.keyframes,
                "width": decoded.width,
                "height": decoded.height,
                "codec": decoded.codec,
                "decode_s": time.perf_counter() - started_s - infer_s,
                "infer_s": infer_s,
            }
        )

    def _consume(self, decoded: Decoded, rows: list[int]) -> tuple[list[float], list[int], float]:
        """Scores the frames, or writes as many as there are rows for."""
        if self._rows is not None:
            taken = rows[: len(decoded.frames)]
            for frame, row in zip(decoded.frames, taken, strict=False):
                self._scaler.rgb(frame.image, self._rows[row])
            return [0.0] * len(taken), taken, 0.0
        assert self._engine is not None
        scores: list[float] = []
        infer_s = 0.0
        for frame in decoded.frames:
            slot = self._engine.slot()
            self._scaler.rgb(frame.image, slot.frames[0])
            started_s = time.perf_counter()
            self._engine.submit(slot, 1)
            scores.append(probability(float(self._engine.collect(slot)[0])))
            infer_s += time.perf_counter() - started_s
        return scores, [], infer_s

    def _clip(self, header: dict[str, Any]) -> bytes:
        parts = [
            Part(bytes(self._media(start, length)), ContentType(content_type), offset_s)
            for start, length, content_type, offset_s in header["parts"]
        ]
        # Pictures are asked for in the order of time, so those of a part stand together.
        pictures = [
            picture
            for part, looks in groupby(header["pictures"], key=itemgetter(0))
            for picture in pictures_at(parts[part], [at_s for _, at_s in looks], self._limits)
        ]
        clip = remux(parts, self._limits.max_pixels)
        return packed(
            {
                "kind": "clip",
                "serial": header["serial"],
                "has_clip": clip is not None,
                "starts_s": clip.starts_s if clip else 0.0,
                "ends_s": clip.ends_s if clip else 0.0,
            },
            *([clip.video] if clip else []),
            *pictures,
        )


def probability(logit: float) -> float:
    """The logistic function of a calibrated logit, safe for any finite value."""
    if logit >= 0:
        return 1.0 / (1.0 + math.exp(-logit))
    odds = math.exp(logit)
    return odds / (1.0 + odds)


def confine(memory_bytes: int) -> None:
    """Gives up what decoding does not need; before that the parent's death is made ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_OPEN_FILES, _OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def main(argument: str) -> int:
    # The parent decides when to stop; a Ctrl-C in the terminal reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    keep_freed_memory()
    config = ChildConfig(**json.loads(argument))
    parent = Connection(config.socket_fd)
    try:
        child = Child(config)
    except EngineError as error:
        parent.send_bytes(
            packed({"kind": "failed", "error": type(error).__name__, "detail": str(error)})
        )
        return EXIT_TRY_AGAIN
    confine(config.memory_bytes)
    parent.send_bytes(packed({"kind": "ready"}))
    try:
        while True:
            parent.send_bytes(child.answer(parent.recv_bytes()))
    except EngineLost:
        return EXIT_TRY_AGAIN
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return 0  # the parent closed the socket: the end


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
