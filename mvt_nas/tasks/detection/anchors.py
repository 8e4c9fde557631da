"""Anchor boxes around every position of the maps, and the offsets that a network predicts for them.

Corners are (x1, y1, x2, y2), centre forms (cx, cy, w, h), both relative to the side of the image.

Source: arXiv 1512.02325, Section 2.2, Eq. 2; variances as in the released configurations of
MobileViT.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mvt_nas.tasks.detection.feature_maps import shapes

CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
"""Factors of the predicted offsets, so that the network predicts numbers around one."""


def anchors(sides: Sequence[tuple[int, int]]) -> Tensor:
    """Return all anchors in centre form, (A, 4), map by map and row by row, clamped to the image.

    Args:
        sides: Height and width of each map.
    """
    return torch.cat(
        [_map_anchors(level, height, width) for level, (height, width) in enumerate(sides)]
    )


def decode(offsets: Tensor, boxes: Tensor) -> Tensor:
    """Return corners, (..., A, 4), from predicted offsets, (..., A, 4), and anchors, (A, 4)."""
    centres = offsets[..., :2] * CENTRE_VARIANCE * boxes[:, 2:] + boxes[:, :2]
    halves = torch.exp(offsets[..., 2:] * SIZE_VARIANCE) * boxes[:, 2:] / 2
    return torch.cat([centres - halves, centres + halves], dim=-1)


def encode(corners: Tensor, boxes: Tensor) -> Tensor:
    """Return the offsets, (..., A, 4), of corners, (..., A, 4), from anchors, (A, 4).

    It is the inverse of :func:`decode`.
    """
    centres = (corners[..., :2] + corners[..., 2:]) / 2
    sizes = corners[..., 2:] - corners[..., :2]
    shifts = (centres - boxes[:, :2]) / boxes[:, 2:] / CENTRE_VARIANCE
    return torch.cat([shifts, torch.log(sizes / boxes[:, 2:]) / SIZE_VARIANCE], dim=-1)


def _map_anchors(level: int, height: int, width: int) -> Tensor:
    # In double precision, and rounded to single only at the end.
    rows = (torch.arange(height, dtype=torch.float64) + 0.5) / height
    columns = (torch.arange(width, dtype=torch.float64) + 0.5) / width
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    sizes = torch.tensor(shapes(level), dtype=torch.float64)
    centres = torch.stack([x, y], dim=-1)[:, :, None].expand(-1, -1, len(sizes), -1)
    boxes = torch.cat([centres, sizes.expand(height, width, -1, -1)], dim=-1)
    return boxes.reshape(-1, 4).clamp(0, 1).float()
