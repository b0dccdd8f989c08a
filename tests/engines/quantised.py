"""The tiny bundle with an INT8 file beside the fp32 one: the same redness, in quantised layers."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from schemas.bundles import BundleCard, ModelFile, bundle_card_from_json
from tests.bundles import BIAS, GAIN, write_tiny_bundle


def int8_model(side: int = 224) -> bytes:
    """Exact in INT8: weights of 100 and -50 steps, and pixels that need no rounding."""
    weights = np.zeros((16, 3, 3, 3), np.int8)
    weights[:, :, 1, 1] = [100, -50, -50]
    constants = {
        "unit": np.float32(1 / 255),
        "zero": np.uint8(0),
        "eye": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1),
        "weights": weights,
        "step": np.float32(GAIN / 100),
        "int_zero": np.int8(0),
        "axes": np.array([2, 3], np.int64),
        "share": np.full((16, 1), 1 / 16, np.float32),
        "bias": np.array([BIAS], np.float32),
    }
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("Cast", ["frames"], ["f"], to=TensorProto.FLOAT),
            node("Transpose", ["f"], ["chw"], perm=[0, 3, 1, 2]),
            node("Mul", ["chw", "unit"], ["scaled"]),
            node("Conv", ["scaled", "eye"], ["same"]),
            node("Relu", ["same"], ["positive"]),
            node("QuantizeLinear", ["positive", "unit", "zero"], ["q"]),
            node("DequantizeLinear", ["q", "unit", "zero"], ["x"]),
            node("DequantizeLinear", ["weights", "step", "int_zero"], ["w"]),
            node("Conv", ["x", "w"], ["map"], pads=[1, 1, 1, 1]),
            node("ReduceMean", ["map", "axes"], ["mean"], keepdims=0),
            node("Gemm", ["mean", "share", "bias"], ["logit"]),
        ],
        "redness-int8",
        [helper.make_tensor_value_info("frames", TensorProto.UINT8, ["batch", side, side, 3])],
        [helper.make_tensor_value_info("logit", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def write_two_precisions(directory: Path) -> Path:
    """A bundle that holds fp32 and int8."""
    write_tiny_bundle(directory)
    data = int8_model()
    (directory / "int8.onnx").write_bytes(data)
    card = bundle_card_from_json((directory / "bundle.json").read_bytes())
    golden = [
        g.model_copy(update={"logits": {**g.logits, "int8": g.logits["fp32"]}}) for g in card.golden
    ]
    file = ModelFile(
        file="int8.onnx",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        precision="int8",
    )
    write_card(
        directory,
        card,
        files=(*card.files, file),
        golden=tuple(golden),
        tolerance={**card.tolerance, "int8": 0.05},
    )
    return directory


def write_card(directory: Path, card: BundleCard, **changes: object) -> None:
    """Writes `bundle.json` with some fields of a card changed."""
    (directory / "bundle.json").write_text(card.model_copy(update=changes).model_dump_json())


def replace_model(directory: Path, data: bytes) -> None:
    """Another fp32 model under a card that names its digest: honest about the bytes alone."""
    card = bundle_card_from_json((directory / "bundle.json").read_bytes())
    (directory / "model.onnx").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    file = card.files[0].model_copy(update={"sha256": digest, "size_bytes": len(data)})
    write_card(directory, card, files=(file, *card.files[1:]))
