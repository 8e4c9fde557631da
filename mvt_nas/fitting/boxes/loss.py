"""The loss of SSD: cross-entropy over the anchors of objects and the hardest of the background, and smooth L1 of the objects' offsets.

Source: arXiv 1512.02325, Section 2.2, Eqs. 1 to 3 and hard negative mining; the two parts count equally.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.fitting.boxes.matching import BACKGROUND


def detection_loss(logits: Tensor, offsets: Tensor, classes: Tensor, wanted: Tensor, negatives_per_positive: int) -> Tensor:
    """Return the sum over anchors by the number of anchors of objects; 0 where there are none.

    Args:
        logits: (B, A, classes + 1), the background first.
        offsets: (B, A, 4).
        classes: (B, A), int64, which they should be; -1 for anchors that are left out.
        wanted: (B, A, 4), offsets that they should be.
        negatives_per_positive: anchors of the background that count, per anchor of an object, picture by picture.
    """
    objects = classes > BACKGROUND
    surprise = functional.cross_entropy(logits.flatten(0, 1), classes.clamp(min=0).flatten(), reduction="none").view_as(classes)
    counted = objects | _hardest(surprise.detach(), classes == BACKGROUND, negatives_per_positive * objects.sum(1))
    misses = functional.smooth_l1_loss(offsets, wanted, reduction="none").sum(2)
    total = torch.where(counted, surprise, 0.0).sum() + torch.where(objects, misses, 0.0).sum()
    return total / objects.sum().clamp(min=1)


def _hardest(surprise: Tensor, background: Tensor, counts: Tensor) -> Tensor:
    """Return which anchors of the background, (B, A), are the ``counts`` (B,) of their picture with the largest loss."""
    order = torch.where(background, surprise, -torch.inf).argsort(dim=1, descending=True, stable=True)
    ranks = torch.empty_like(order).scatter_(1, order, torch.arange(order.shape[1], device=order.device).expand_as(order))
    return background & (ranks < counts[:, None])
