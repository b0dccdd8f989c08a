"""Opens an engine: verifies, loads, warms, checks itself, and returns only a ready one.

A new backend is one module and one line in `BACKENDS`.
"""

from __future__ import annotations

import importlib
from typing import Final, Protocol

from engines.bundle import Bundle
from engines.engine import Engine, Frames, Logits, Slot
from engines.errors import EngineFault, EngineRejected, EngineUnavailable

BACKENDS: Final = {
    "openvino": "engines.ov:OvEngine",
    "onnxruntime": "engines.ort:OrtEngine",
}
PLANNED: Final = {"tensorrt": "the TensorRT backend is not in this version; use openvino on a CPU"}


class EngineClass(Protocol):
    """Constructor that every backend has."""

    def __call__(
        self, bundle: Bundle, precision: str, device: str, max_batch: int, threads: int, slots: int
    ) -> Engine: ...


def open_engine(
    bundle: Bundle,
    backend: str = "openvino",
    precision: str = "fp32",
    device: str = "cpu",
    *,
    max_batch: int = 1,
    threads: int = 1,
    slots: int = 2,
) -> Engine:
    """Opens a bundle on a backend.

    Args:
        bundle: Verified as it is read.
        backend: One of `BACKENDS`.
        precision: fp32, fp16, bf16 or int8; never another one silently.
        device: `cpu`, or `cuda:N` for backends that have it.
        max_batch: Rows of a slot.
        threads: Threads of one inference; 1 where a process runs per core.
        slots: Batches in flight.

    Raises:
        EngineUnavailable: Not to be had on this machine.
        EngineRejected: The bundle is not what its card says, or fails its self-check.
    """
    engine = _engine_class(backend)(bundle, precision, device, max_batch, threads, slots)
    try:
        check_golden_frames(engine, bundle)
    except EngineRejected:
        engine.close()
        raise
    return engine


def check_golden_frames(engine: Engine, bundle: Bundle) -> None:
    """Runs the golden frames, which also warms every slot.

    Raises:
        EngineRejected: A logit is farther from the card's than its tolerance.
    """
    precision = engine.spec.precision
    tolerance = bundle.card.tolerance.get(precision)  # type: ignore[call-overload]
    if tolerance is None:
        raise EngineRejected(f"bundle {bundle.card.model.name}: no tolerance for {precision}")
    for golden in bundle.card.golden:
        pixels = bundle.golden_frame(golden)
        expected = golden.logits.get(precision)  # type: ignore[call-overload]
        if expected is None:
            raise EngineRejected(f"golden frame {golden.file}: no logit for {precision}")
        for logit in _logits_in_every_slot(engine, pixels):
            if not abs(logit - expected) <= tolerance:
                raise EngineRejected(
                    f"self-check on {golden.file}: got logit {logit:.4f}, expected "
                    f"{expected:.4f} +- {tolerance} ({engine.spec.backend}, {precision}); "
                    "this engine does not compute what the bundle's card says"
                )
    _check_full_batch(engine, bundle, tolerance)


def _check_full_batch(engine: Engine, bundle: Bundle, tolerance: float) -> None:
    """A model of a fixed batch, or one that mixes rows up, passes frame by frame and fails here."""
    golden = bundle.card.golden
    pictures = [bundle.golden_frame(frame) for frame in golden]
    slot = engine.slot()
    chosen = [golden[row % len(golden)] for row in range(engine.spec.max_batch)]
    for row in range(len(chosen)):
        slot.frames[row] = pictures[row % len(pictures)]
    found = _run(engine, slot, len(chosen))
    expected = [frame.logits[engine.spec.precision] for frame in chosen]  # type: ignore[index]
    worst = max(abs(float(a) - b) for a, b in zip(found, expected, strict=True))
    if not worst <= tolerance:
        raise EngineRejected(
            f"self-check on a batch of {len(chosen)}: a logit is {worst:.4f} off, expected at most "
            f"{tolerance} ({engine.spec.backend}); the model mixes the rows of a batch"
        )


def _logits_in_every_slot(engine: Engine, pixels: Frames) -> list[float]:
    slots = [engine.slot() for _ in range(engine.spec.slots)]
    found: list[float] = []
    for slot in slots:
        slot.frames[0] = pixels
        found.append(float(_run(engine, slot, 1)[0]))
    return found


def _run(engine: Engine, slot: Slot, n: int) -> Logits:
    """One batch; a model that cannot run it, or answers with something else, is rejected."""
    try:
        engine.submit(slot, n)
        logits = engine.collect(slot)
    except EngineFault as error:
        raise EngineRejected(f"self-check on a batch of {n}: {error}") from error
    if logits.shape != (n,):
        raise EngineRejected(
            f"self-check on a batch of {n}: got {logits.size} outputs, expected one logit a frame"
        )
    return logits


def _engine_class(backend: str) -> EngineClass:
    if backend in PLANNED:
        raise EngineUnavailable(f"{backend}: {PLANNED[backend]}")
    if backend not in BACKENDS:
        raise EngineUnavailable(f"backend: got {backend!r}, expected one of {', '.join(BACKENDS)}")
    module, _, name = BACKENDS[backend].partition(":")
    try:
        found: EngineClass = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise EngineUnavailable(f"{backend}: {error}; install its extra") from error
    return found
