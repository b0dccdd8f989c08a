"""ONNX Runtime on the CPU: the reference that every other backend is compared with."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import numpy as np

# Otherwise it counts uses in a database of its own below the home directory; read at import.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
import onnxruntime

from engines.bundle import Bundle
from engines.engine import EngineSpec, Frames, Logits, Slot
from engines.errors import EngineFault, EngineRejected, EngineUnavailable
from engines.slots import SlotPool

_PRECISIONS: Final = ("fp32", "int8")


@dataclass(slots=True, eq=False)
class OrtSlot:
    """A frame array and the batch that runs on it."""

    frames: Frames
    running: Future[Logits] | None = None


class OrtEngine:
    """One session; a thread of its own runs the batches, so that `submit` never waits."""

    def __init__(
        self, bundle: Bundle, precision: str, device: str, max_batch: int, threads: int, slots: int
    ) -> None:
        if device != "cpu":
            raise EngineUnavailable(f"onnxruntime: got device {device!r}, expected cpu")
        if precision not in _PRECISIONS:
            raise EngineUnavailable(
                f"onnxruntime: got precision {precision!r}, on a CPU expected "
                f"{' or '.join(_PRECISIONS)}"
            )
        file = bundle.model_file(precision)
        self._session = _session(bundle.read(file.file, file.sha256), threads)
        self._input = self._session.get_inputs()[0].name
        geometry = bundle.card.input
        self._check(geometry.height, geometry.width)
        shape = (max_batch, geometry.height, geometry.width, 3)
        self._slots = SlotPool([OrtSlot(np.zeros(shape, np.uint8)) for _ in range(slots)])
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="onnxruntime")
        self.spec = EngineSpec(
            "onnxruntime", "cpu", precision, geometry.width, geometry.height, max_batch, slots
        )

    def slot(self) -> Slot:
        return self._slots.take()

    def submit(self, slot: Slot, n: int) -> None:
        taken = self._slots.checked(slot, n, self.spec.max_batch)
        taken.running = self._thread.submit(self._infer, taken.frames[:n])

    def collect(self, slot: Slot) -> Logits:
        taken = self._slots.checked(slot)
        if taken.running is None:
            raise EngineFault("collect: nothing was submitted in this slot")
        try:
            return taken.running.result()
        finally:
            taken.running = None
            self._slots.free(taken)

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _infer(self, frames: Frames) -> Logits:
        try:
            (logits,) = self._session.run(None, {self._input: frames})
        except Exception as error:  # its errors share no base but Exception
            raise EngineFault(f"onnxruntime: {error}") from error
        return np.asarray(logits, np.float32).reshape(-1).copy()

    def _check(self, height: int, width: int) -> None:
        inputs = self._session.get_inputs()
        shape = list(inputs[0].shape[1:])
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or shape != [height, width, 3]:
            raise EngineRejected(
                f"model: got input {inputs[0].type} {inputs[0].shape}, expected one "
                f"tensor(uint8) [batch, {height}, {width}, 3]"
            )
        if self._session.get_providers() != ["CPUExecutionProvider"]:
            raise EngineUnavailable(f"onnxruntime: runs on {self._session.get_providers()}")


def _session(model: bytes, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no base but Exception
        raise EngineRejected(f"onnxruntime refuses the model: {error}") from error
