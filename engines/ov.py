"""OpenVINO on the CPU: the fastest backend where there is no GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import openvino

from engines.bundle import Bundle
from engines.engine import EngineSpec, Frames, Logits, Slot
from engines.errors import EngineFault, EngineRejected, EngineUnavailable
from engines.slots import SlotPool

_HINTS: Final = {"fp32": "f32", "int8": "f32", "bf16": "bf16"}
"""Type of the arithmetic that is not quantised; f32 keeps OpenVINO from choosing bf16 unasked."""
_ARITHMETIC: Final = {"fp32": {"f32"}, "int8": {"u8", "i8"}, "bf16": {"bf16"}}
_COMPUTING: Final = {"Convolution", "FullyConnected", "MatMul"}
"""Layers that do nearly all of the work; others may keep another type."""


@dataclass(slots=True, eq=False)
class OvSlot:
    """A frame array that the request reads in place, and how many rows run."""

    frames: Frames
    request: Any
    n: int = 0


class OvEngine:
    """One compiled model; a slot is an infer request over its own memory."""

    def __init__(
        self, bundle: Bundle, precision: str, device: str, max_batch: int, threads: int, slots: int
    ) -> None:
        if device != "cpu":
            raise EngineUnavailable(f"openvino: got device {device!r}, expected cpu")
        if precision not in _HINTS:
            raise EngineUnavailable(
                f"openvino: got precision {precision!r}, expected one of {', '.join(_HINTS)}"
            )
        file = bundle.model_file(precision)
        model = bundle.read(file.file, file.sha256)
        self._compiled = _compiled(model, precision, threads, slots)
        geometry = bundle.card.input
        self._check(geometry.height, geometry.width, precision)
        shape = (max_batch, geometry.height, geometry.width, 3)
        self._slots = SlotPool(
            [
                OvSlot(np.zeros(shape, np.uint8), self._compiled.create_infer_request())
                for _ in range(slots)
            ]
        )
        self.spec = EngineSpec(
            "openvino", "cpu", precision, geometry.width, geometry.height, max_batch, slots
        )

    def slot(self) -> Slot:
        return self._slots.take()

    def submit(self, slot: Slot, n: int) -> None:
        taken = self._slots.checked(slot, n, self.spec.max_batch)
        taken.n = n
        try:
            taken.request.set_input_tensor(openvino.Tensor(taken.frames[:n], shared_memory=True))
            # Not infer(): on the caller's thread it spins whenever another process has the core.
            taken.request.start_async()
        except RuntimeError as error:
            raise EngineFault(f"openvino: {error}") from error

    def collect(self, slot: Slot) -> Logits:
        taken = self._slots.checked(slot)
        if not taken.n:
            raise EngineFault("collect: nothing was submitted in this slot")
        try:
            taken.request.wait()
            return np.array(taken.request.get_output_tensor().data, np.float32).reshape(-1)
        except RuntimeError as error:
            raise EngineFault(f"openvino: {error}") from error
        finally:
            taken.n = 0
            self._slots.free(taken)

    def close(self) -> None:
        """Requests and memory go with the object; nothing else is held."""

    def _check(self, height: int, width: int, precision: str) -> None:
        """No silent fallback: input, device and arithmetic are read back after compiling."""
        port = self._compiled.inputs[0]
        shape = [d.get_length() for d in list(port.partial_shape)[1:] if d.is_static]
        if port.element_type != openvino.Type.u8 or shape != [height, width, 3]:
            raise EngineRejected(
                f"model: got input {port.element_type} {port.partial_shape}, expected u8 "
                f"[batch, {height}, {width}, 3]"
            )
        devices = self._compiled.get_property("EXECUTION_DEVICES")
        if list(devices) != ["CPU"]:
            raise EngineUnavailable(f"openvino: got execution devices {devices}, expected CPU")
        hint = self._compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        if hint != _HINTS[precision]:
            raise EngineUnavailable(
                f"openvino: asked for {precision}, the CPU would run {hint}; "
                "set FLAGPOST_ENGINE_PRECISION to one it has"
            )
        found = _arithmetic(self._compiled)
        if not found & _ARITHMETIC[precision]:
            raise EngineRejected(
                f"openvino: asked for {precision}, the model's layers run in "
                f"{', '.join(sorted(found)) or 'nothing known'}; the file is not what its card says"
            )


def _arithmetic(compiled: Any) -> set[str]:
    """Types that the compiled layers really compute in."""
    details = [operation.get_rt_info() for operation in compiled.get_runtime_model().get_ops()]
    return {
        detail["runtimePrecision"].astype(str)
        for detail in details
        if detail["layerType"].astype(str) in _COMPUTING
    }


def _compiled(model: bytes, precision: str, threads: int, slots: int) -> Any:
    core = openvino.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise EngineUnavailable("openvino: this CPU has no bf16; use fp32 or int8")
    config = {
        "INFERENCE_PRECISION_HINT": _HINTS[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1 if threads == 1 else slots,
        # With pinning every worker process sits on core 0.
        "ENABLE_CPU_PINNING": False,
    }
    try:
        return core.compile_model(core.read_model(model), "CPU", config)
    except RuntimeError as error:
        raise EngineRejected(f"openvino refuses the model: {error}") from error
