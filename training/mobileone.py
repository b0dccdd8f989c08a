"""MobileOne-S0, image only: a plain depthwise-separable net when it is deployed.

While it trains, each convolution is a sum of linear branches (a kernel and a skip) that is merged
into one kernel at every step, with one BatchNorm after the sum. Merging kernels instead of feature
maps (OREPA, arXiv 2204.00826) trains five times as fast on a CPU as four branches of maps, and one
BatchNorm after the sum quantises better than one in each branch (QARepVGG, arXiv 2212.01593).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

STEM_CHANNELS = 48
STAGES = ((2, 48), (8, 128), (10, 256), (1, 1024))
"""Blocks and channels of each stage of variant S0 (arXiv 2206.04040, table 2)."""


class MergedConv(nn.Module):  # type: ignore[misc]
    """Convolution + BatchNorm + ReLU whose branches are merged in kernel space.

    Args:
        inputs: Input channels.
        outputs: Output channels.
        kernel: Side of the square kernel, 1 or 3; the padding keeps the size.
        stride: 1 or 2.
        depthwise: One filter per channel.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, depthwise: bool = False
    ) -> None:
        super().__init__()
        self.groups = inputs if depthwise else 1
        self.stride, self.padding = stride, kernel // 2
        self.weight = nn.Parameter(torch.empty(outputs, inputs // self.groups, kernel, kernel))
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="relu")
        skip = inputs == outputs and stride == 1
        self.skip = nn.Parameter(torch.ones(outputs)) if skip else None
        self.norm = nn.BatchNorm2d(outputs)

    def kernel(self) -> Tensor:
        """The merged kernel, [out, in / groups, k, k]."""
        if self.skip is None:
            return self.weight
        unit = torch.zeros_like(self.weight)
        rows = torch.arange(unit.shape[0])
        columns = torch.zeros_like(rows) if self.groups > 1 else rows
        unit[rows, columns, self.padding, self.padding] = 1.0
        return self.weight + unit * self.skip.view(-1, 1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, H, W] -> [B, out, H / stride, W / stride]."""
        weight = self.kernel().to(x.dtype).contiguous(memory_format=torch.channels_last)
        if self.training and self.stride == 2 and self.groups > 1:
            # oneDNN's bf16 gradient of a strided depthwise convolution is 20 times slower than
            # that of four times as many positions at stride 1.
            x = functional.conv2d(x, weight, None, 1, self.padding, 1, self.groups)[..., ::2, ::2]
            x = x.contiguous(memory_format=torch.channels_last)
        else:
            x = functional.conv2d(x, weight, None, self.stride, self.padding, 1, self.groups)
        return functional.relu(self.norm(x), inplace=True)

    def fused(self) -> nn.Sequential:
        """The same function of evaluation mode as one convolution with a bias, and ReLU."""
        outputs, inputs, side, _ = self.weight.shape
        conv = nn.Conv2d(
            inputs * self.groups, outputs, side, self.stride, self.padding, groups=self.groups
        )
        norm = self.norm
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        conv.weight.data = (self.kernel() * scale.view(-1, 1, 1, 1)).detach().clone()
        assert conv.bias is not None
        conv.bias.data = (norm.bias - norm.running_mean * scale).detach().clone()
        return nn.Sequential(conv, nn.ReLU())


class MobileOneS0(nn.Module):  # type: ignore[misc]
    """Classifier of one logit; `features` pools to [B, 1024]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [MergedConv(3, STEM_CHANNELS, 3, stride=2)]
        channels = STEM_CHANNELS
        for blocks, width in STAGES:
            for block in range(blocks):
                stride = 2 if block == 0 else 1
                layers.append(MergedConv(channels, channels, 3, stride, depthwise=True))
                layers.append(MergedConv(channels, width, 1))
                channels = width
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(channels, 1)

    def features(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] normalised RGB -> [B, 1024] float32."""
        maps: Tensor = self.layers(x)
        return maps.float().mean(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] normalised RGB -> [B, 1] logit, float32."""
        logit: Tensor = self.head(self.dropout(self.features(x)))
        return logit


class FusedMobileOne(nn.Module):  # type: ignore[misc]
    """The deployed form: convolutions with biases, ReLU, mean, one linear layer."""

    def __init__(self, branched: MobileOneS0) -> None:
        super().__init__()
        fused = [layer.fused() for layer in branched.layers if isinstance(layer, MergedConv)]
        self.layers = nn.Sequential(*fused)
        self.head = nn.Linear(branched.head.in_features, 1)
        self.head.load_state_dict(branched.head.state_dict())

    def forward(self, x: Tensor) -> Tensor:
        """[B, 3, H, W] normalised RGB -> [B, 1] logit."""
        logit: Tensor = self.head(self.layers(x).mean(dim=(2, 3)))
        return logit
