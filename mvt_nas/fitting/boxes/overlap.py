"""How much boxes overlap: the area of their intersection by that of their union (IoU). Boxes are corners (x1, y1, x2, y2)."""

from __future__ import annotations

import torch
from torch import Tensor


def areas(boxes: Tensor) -> Tensor:
    """Return the areas of boxes (..., 4); boxes that are none have an area of 0."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the overlap, (..., n, m), of boxes (..., n, 4) and (..., m, 4); 0 for boxes without an area."""
    inner = torch.cat([torch.maximum(first[..., :, None, :2], second[..., None, :, :2]), _smaller(first, second)], dim=-1)
    shared = areas(inner)
    union = areas(first)[..., :, None] + areas(second)[..., None, :] - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


def _smaller(first: Tensor, second: Tensor) -> Tensor:
    return torch.minimum(first[..., :, None, 2:], second[..., None, :, 2:])
