"""MixUp and CutMix: each picture of a batch mixed with its neighbour, and their labels in proportion. Where both are on, one is drawn.

Source: Zhang et al., arXiv 1710.09412 (MixUp); Yun et al., arXiv 1905.04899 (CutMix); one of the
two per batch as in the release of MobileViTv2.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional


def mix_batch(
    images: Tensor,
    labels: Tensor,
    num_classes: int,
    random: np.random.Generator,
    *,
    mixup_alpha: float,
    cutmix_alpha: float,
) -> tuple[Tensor, Tensor]:
    """Return images (B, C, H, W) and targets: labels (B,), or shares (B, num_classes) where they are mixed."""
    ways = [
        (way, alpha) for way, alpha in ((_mixup, mixup_alpha), (_cutmix, cutmix_alpha)) if alpha
    ]
    if not ways:
        return images, labels
    way, alpha = ways[int(random.integers(len(ways)))]
    images, own = way(images, alpha, random)
    targets = functional.one_hot(labels, num_classes).to(images.dtype)
    return images, own * targets + (1 - own) * targets.roll(1, 0)


def _mixup(images: Tensor, alpha: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Return the mixed images, and which share of each is its own."""
    own = float(random.beta(alpha, alpha))
    return torch.lerp(images.roll(1, 0), images, own), own


def _cutmix(images: Tensor, alpha: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Return the images with a rectangle of their neighbours', cut off at the border, and which share of each is its own."""
    own = float(random.beta(alpha, alpha))
    height, width = images.shape[2:]
    middle, half = (
        (int(random.integers(height)), int(random.integers(width))),
        0.5 * math.sqrt(1 - own),
    )
    top, bottom = (
        max(0, middle[0] - int(half * height)),
        min(height, middle[0] + int(half * height)),
    )
    left, right = max(0, middle[1] - int(half * width)), min(width, middle[1] + int(half * width))
    result = images.clone()
    result[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    return result, 1 - (bottom - top) * (right - left) / (height * width)
