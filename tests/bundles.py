"""A tiny, complete bundle: redness becomes the score, so tests drive incidents with red video."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from schemas.bundles import (
    BundleCard,
    GoldenFrame,
    InputGeometry,
    ModelFile,
    ModelIdentity,
    OperatingPoint,
)

GAIN, BIAS = 20.0, -4.0


def reference_logit(pixels: np.ndarray) -> float:
    """What the tiny graph computes, in numpy: gain * (mean red - mean of green and blue) + bias."""
    means = pixels.reshape(-1, 3).mean(0) / 255.0
    return float(GAIN * (means[0] - (means[1] + means[2]) / 2) + BIAS)


def tiny_model(width: int = 224, height: int = 224) -> bytes:
    weights = np.array([GAIN, -GAIN / 2, -GAIN / 2], np.float32)[:, None] / 255.0
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["frames"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["f"], ["chw"], perm=[0, 3, 1, 2]),
            helper.make_node("ReduceMean", ["chw", "axes"], ["mean"], keepdims=0),
            helper.make_node("Gemm", ["mean", "weights", "bias"], ["logit"]),
        ],
        "redness",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", height, width, 3])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch", 1])],
        [
            numpy_helper.from_array(np.array([2, 3], np.int64), "axes"),
            numpy_helper.from_array(weights, "weights"),
            numpy_helper.from_array(np.array([BIAS], np.float32), "bias"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _golden(file: Path, colour: tuple[int, int, int]) -> GoldenFrame:
    pixels = np.full((224, 224, 3), colour, np.uint8)
    Image.fromarray(pixels).save(file)
    logit = reference_logit(pixels)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return GoldenFrame(file=file.name, sha256=digest, logits={"fp32": logit, "bf16": logit})


def write_tiny_bundle(directory: Path, **decision: float) -> Path:
    """Writes the bundle; `decision` overrides constants of the operating point."""
    directory.mkdir(parents=True, exist_ok=True)
    model = tiny_model()
    (directory / "model.onnx").write_bytes(model)
    colours = {"calm": (90, 110, 120), "red": (230, 20, 20)}
    golden = [_golden(directory / f"{name}.png", colour) for name, colour in colours.items()]
    card = BundleCard(
        model=ModelIdentity(
            name="tiny-redness",
            version="1",
            architecture="mean colour",
            trained_at=datetime(2026, 1, 1, tzinfo=UTC),
            code_digest="none",
            data_digest="none",
            licences=("Apache-2.0",),
            summary="Redness of the picture; for tests.",
        ),
        input=InputGeometry(),
        decision=OperatingPoint(
            **{
                "median_of": 3,
                "open_threshold": 0.8,
                "close_threshold": 0.4,
                "max_gap_s": 5.0,
                "cooldown_s": 2.0,
                **decision,
            }
        ),
        files=(
            ModelFile(
                file="model.onnx",
                sha256=hashlib.sha256(model).hexdigest(),
                size_bytes=len(model),
                precision="fp32",
            ),
        ),
        golden=tuple(golden),
        tolerance={"fp32": 1e-2, "bf16": 0.3},
    )
    (directory / "bundle.json").write_text(card.model_dump_json(indent=2))
    return directory
