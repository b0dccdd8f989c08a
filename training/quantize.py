"""INT8 by Q/DQ nodes: per-channel weights, activations calibrated on training frames.

The stem and the head stay in floating point. The file is an ordinary ONNX, which ONNX Runtime,
OpenVINO and TensorRT all run as INT8.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

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
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=convolutions[: plan.float_convolutions],
            per_channel=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
            calibrate_method=METHODS[plan.method],
            extra_options={"CalibPercentile": plan.percentile},
        )
