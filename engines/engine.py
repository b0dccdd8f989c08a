"""The engine contract: slots that decoders write frames into, and logits that come out.

Rules that every backend keeps (held by tests/engines/test_contract.py):
* A slot's `frames` belong to the engine; the caller may write them between `slot()` and
  `submit()` and must not touch them again before `collect()`.
* `submit` never waits for the device; `collect` is the only place that does, and frees the slot.
* Rows beyond `n` are old data and are ignored.
* One engine serves one thread; slots of one engine may be in flight together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """What was opened, as verified after loading.

    Attributes:
        backend: `openvino`, `onnxruntime` or `tensorrt`.
        device: Full device name, such as `cpu` or `cuda:0 NVIDIA L4`.
        precision: Precision that the device really runs.
        width: Input width in pixels.
        height: Input height in pixels.
        max_batch: Rows of a slot.
        slots: Slots that may be in flight at once.
    """

    backend: str
    device: str
    precision: str
    width: int
    height: int
    max_batch: int
    slots: int


class Slot(Protocol):
    """Room for one batch."""

    @property
    def frames(self) -> Frames:
        """uint8 [max_batch, height, width, 3], RGB; owned by the engine."""
        ...


class Engine(Protocol):
    """A loaded, warmed and self-checked classifier."""

    @property
    def spec(self) -> EngineSpec: ...

    def slot(self) -> Slot:
        """Takes a free slot; raises EngineFault where all are in flight."""
        ...

    def submit(self, slot: Slot, n: int) -> None:
        """Starts inference on the first `n` rows, 1 <= n <= max_batch."""
        ...

    def collect(self, slot: Slot) -> Logits:
        """Waits for the batch; float32 [n] calibrated logits. Frees the slot.

        Raises:
            EngineFault: This batch failed.
            EngineLost: The device is gone.
        """
        ...

    def close(self) -> None:
        """Frees device and memory; nothing may be in flight."""
        ...
