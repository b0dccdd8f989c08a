"""INT8 by Q/DQ nodes: per-channel weights, activations calibrated on training frames.

Each ReLU goes into the range of its convolution's output, so that engines run a layer as one INT8
kernel. The head stays in floating point. The file is an ordinary ONNX, which ONNX Runtime, OpenVINO
and TensorRT all run as INT8.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

from training.errors import GateFailed
from training.evaluate import runtime_session, scorer_of
from training.frame_cache import Pixels

METHODS = {
    "percentile": CalibrationMethod.Percentile,
    "entropy": CalibrationMethod.Entropy,
    "minmax": CalibrationMethod.MinMax,
}


@dataclass(frozen=True, slots=True)
class Int8Plan:
    """How a net is quantised.

    Attributes:
        method: One of METHODS.
        float_convolutions: Convolutions from the input that stay in floating point.
        percentile: For the percentile method.
    """

    method: str = "percentile"
    float_convolutions: int = 1
    percentile: float = 99.99


class _Frames(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, frames: Pixels, batch: int = 8) -> None:
        self._batches: Iterator[Pixels] = iter(
            [frames[at : at + batch] for at in range(0, len(frames), batch)]
        )

    def get_next(self) -> dict[str, Pixels] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"frames": np.ascontiguousarray(batch)}


def int8_from_onnx(model: Path, frames: Pixels, target: Path, plan: Int8Plan) -> None:
    """Writes the INT8 form of a graph; `frames` [n, 224, 224, 3] are from the training split."""
    with tempfile.TemporaryDirectory() as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        nodes = onnx.load(prepared).graph.node
        convolutions = [node.name for node in nodes if node.op_type == "Conv"]
        quantize_static(
            str(prepared),
            str(target),
            _Frames(frames),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv", "Relu"],
            nodes_to_exclude=convolutions[: plan.float_convolutions],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            calibrate_method=METHODS[plan.method],
            extra_options={"CalibPercentile": plan.percentile},
        )
    align_head(model, target, frames)


def align_head(model: Path, quantised: Path, frames: Pixels) -> tuple[float, float]:
    """Scales and shifts the INT8 graph's logit onto the fp32 graph's, by least squares.

    Rounding moves all logits a little one way; thresholds chosen on fp32 would mean something else.

    Args:
        model: The fp32 graph.
        quantised: The INT8 graph, changed in place: scale and shift go into its last layer.
        frames: uint8 [n, 224, 224, 3], from the training split.

    Returns:
        Scale and shift.

    Raises:
        GateFailed: The graph's last node is no Gemm with constant weights and bias.
    """
    expected, got = (scorer_of(runtime_session(path))(frames) for path in (model, quantised))
    scale, shift = (float(value) for value in np.polyfit(got, expected, 1))
    graph = onnx.load(quantised)
    head = graph.graph.node[-1]
    constants = {tensor.name: tensor for tensor in graph.graph.initializer}
    if head.op_type != "Gemm" or any(name not in constants for name in head.input[1:3]):
        raise GateFailed(f"{quantised}: last node is {head.op_type}, expected a constant Gemm")
    weight, bias = (numpy_helper.to_array(constants[name]) for name in head.input[1:3])
    for name, values in zip(head.input[1:3], (weight * scale, bias * scale + shift), strict=True):
        constants[name].CopyFrom(numpy_helper.from_array(values.astype(np.float32), name))
    onnx.save(graph, quantised)
    return scale, shift
