"""MixUp and CutMix: each image of a batch mixed with its neighbour, and their labels in proportion.

If both are on, one of them is drawn.

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
    """Return images (B, C, H, W) and targets: labels (B,), or shares (B, num_classes) if mixed."""
    methods = []
    if mixup_alpha:
        methods.append((_mixup, mixup_alpha))
    if cutmix_alpha:
        methods.append((_cutmix, cutmix_alpha))
    if not methods:
        return images, labels
    mix, alpha = methods[int(random.integers(len(methods)))]
    images, own = mix(images, alpha, random)
    targets = functional.one_hot(labels, num_classes).to(images.dtype)
    return images, own * targets + (1 - own) * targets.roll(1, 0)


def _mixup(images: Tensor, alpha: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Return the mixed images, and the share of the original in each."""
    own = float(random.beta(alpha, alpha))
    return torch.lerp(images.roll(1, 0), images, own), own


def _cutmix(images: Tensor, alpha: float, random: np.random.Generator) -> tuple[Tensor, float]:
    """Return images with a rectangle of their neighbours', and the share of the original in each.

    The rectangle is clipped at the border.
    """
    own = float(random.beta(alpha, alpha))
    height, width = images.shape[2:]
    middle_y, middle_x = int(random.integers(height)), int(random.integers(width))
    # The rectangle has the neighbour's share of the area, and the image's aspect ratio.
    half = 0.5 * math.sqrt(1 - own)
    top = max(0, middle_y - int(half * height))
    bottom = min(height, middle_y + int(half * height))
    left = max(0, middle_x - int(half * width))
    right = min(width, middle_x + int(half * width))
    result = images.clone()
    result[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
    return result, 1 - (bottom - top) * (right - left) / (height * width)
