"""Batches from cached frames: crop, flip and colour noise; labels never change by them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.frame_cache import Pixels

MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
"""ImageNet's channel statistics, on pixels of 0-255; the exported graph uses the same."""


def normalised(pixels: Tensor) -> Tensor:
    """[B, 3, H, W] pixels of 0-255 -> float32 of about unit variance."""
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (pixels.float() - mean) / std


def plain_batch(frames: Sequence[Pixels], side: int) -> Tensor:
    """Frames as the engine sees them, [B, 3, side, side] normalised."""
    stacked = torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
    if stacked.shape[-1] != side:
        stacked = _resized(stacked, side)
    return normalised(stacked)


def training_batch(frames: Sequence[Pixels], side: int, rng: np.random.Generator) -> Tensor:
    """Cropped, flipped and recoloured frames, [B, 3, side, side] normalised, channels last."""
    views = [_view(torch.from_numpy(np.array(f)).permute(2, 0, 1), side, rng) for f in frames]
    batch = torch.stack(views)
    flips = torch.from_numpy(rng.random(len(frames)) < 0.5)
    batch[flips] = batch[flips].flip(-1)
    return _recoloured(normalised(batch), rng).contiguous(memory_format=torch.channels_last)


def _view(frame: Tensor, side: int, rng: np.random.Generator) -> Tensor:
    """A random crop of 70-100 % of the picture's area, at the size asked for."""
    height, width = frame.shape[1:]
    area, ratio = rng.uniform(0.7, 1.0), rng.uniform(0.85, 1.18)
    h = min(height, int(height * (area * ratio) ** 0.5))
    w = min(width, int(width * (area / ratio) ** 0.5))
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    return _resized(frame[None, :, top : top + h, left : left + w], side)[0]


def _resized(frames: Tensor, side: int) -> Tensor:
    return functional.interpolate(
        frames, size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )


def _recoloured(batch: Tensor, rng: np.random.Generator) -> Tensor:
    """Gain, offset and saturation per picture, a little per channel, and pixel noise."""
    size = (batch.shape[0], 1, 1, 1)
    per_channel = (batch.shape[0], 3, 1, 1)

    def draw(shape: tuple[int, ...], spread: float) -> Tensor:
        return torch.from_numpy(rng.normal(0.0, spread, shape).astype(np.float32))

    gray = batch.mean(dim=1, keepdim=True)
    batch = gray + (batch - gray) * (1 + draw(size, 0.2))
    batch = batch * (1 + draw(size, 0.2)) * (1 + draw(per_channel, 0.05)) + draw(size, 0.2)
    noise = torch.randn(batch.shape) * draw(size, 0.04).abs()
    return batch + noise
