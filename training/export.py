"""From a trained net to ONNX: uint8 frames in, one calibrated logit out, normalisation inside."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from torch import Tensor, nn

from training.augment import MEAN, STD
from training.calibrate import Calibration
from training.errors import GateFailed
from training.evaluate import runtime_session
from training.frame_cache import SIDE
from training.mobileone import FusedMobileOne, MobileOneS0

OPSET = 20
PARITY = 1e-3
"""Largest |logit| difference between torch and ONNX Runtime."""
FORBIDDEN = {"Shape", "Range", "Gather", "If", "Loop", "Resize"}


class DeployedClassifier(nn.Module):  # type: ignore[misc]
    """The exported graph. `scale` and `offset` normalise; padding stays true zero after them."""

    def __init__(self, net: FusedMobileOne) -> None:
        super().__init__()
        self.net = net
        std = torch.tensor(STD).view(1, 3, 1, 1)
        self.register_buffer("scale", 1.0 / std)
        self.register_buffer("offset", -torch.tensor(MEAN).view(1, 3, 1, 1) / std)

    def forward(self, frames: Tensor) -> Tensor:
        """uint8 [batch, 224, 224, 3] -> float32 [batch, 1]."""
        x = frames.float().permute(0, 3, 1, 2).contiguous()
        logit: Tensor = self.net(x * self.scale + self.offset)
        return logit


def deployed(net: MobileOneS0, calibration: Calibration) -> DeployedClassifier:
    """Merges branches and norms, and folds the calibration into the head."""
    fused = FusedMobileOne(net.float().eval())
    with torch.no_grad():
        fused.head.weight.mul_(calibration.scale)
        fused.head.bias.mul_(calibration.scale).add_(calibration.bias)
    classifier = DeployedClassifier(fused)
    classifier.eval().requires_grad_(False)
    return classifier


def onnx_from_classifier(classifier: DeployedClassifier, path: Path) -> None:
    """Writes the graph and checks its shape and its logits against torch.

    Raises:
        GateFailed: The graph has another form than engines rely on, or its logits differ.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    frames = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)
    torch.onnx.export(
        classifier,
        (frames,),
        str(path),
        dynamo=True,
        opset_version=OPSET,
        input_names=["frames"],
        output_names=["logit"],
        dynamic_shapes={"frames": {0: torch.export.Dim("batch")}},
        external_data=False,
        verbose=False,
    )
    check_graph(path)
    check_parity(classifier, path, frames.numpy())


def check_graph(path: Path) -> None:
    """Refuses a graph that is not one input, one output, Cast first and static but for the batch.

    Raises:
        GateFailed: Names what is wrong.
    """
    graph = onnx.load(path).graph
    names = [node.op_type for node in graph.node]
    if len(graph.input) != 1 or len(graph.output) != 1:
        raise GateFailed(
            f"{path}: {len(graph.input)} inputs and {len(graph.output)} outputs, not 1"
        )
    if names[0] != "Cast":
        raise GateFailed(f"{path}: first node is {names[0]}, expected Cast from uint8")
    if found := FORBIDDEN & set(names):
        raise GateFailed(f"{path}: holds {sorted(found)}; export with a static picture size")


def check_parity(
    classifier: DeployedClassifier, path: Path, frames: npt.NDArray[np.uint8]
) -> float:
    """Largest difference of logits between torch and ONNX Runtime.

    Raises:
        GateFailed: It is more than PARITY.
    """
    expected = classifier(torch.from_numpy(np.array(frames))).numpy()
    got = runtime_session(path).run(None, {"frames": frames})[0]
    worst = float(np.abs(expected - got).max())
    if not worst <= PARITY:
        raise GateFailed(f"{path}: logits differ from torch by {worst:.2g}, allowed {PARITY:.0e}")
    return worst
