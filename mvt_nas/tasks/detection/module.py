"""Forward of the SSDLite head (see ``lowering.py`` for its lowering).

Source: arXiv 1512.02325, Section 2.1, with the separable convolutions of 1801.04381, Section 6.2;
where norms and ReLU stand follows the release of MobileViT.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mvt_nas.blocks.layers import conv_norm, copy
from mvt_nas.tasks.detection.anchors import anchors
from mvt_nas.tasks.detection.config import Detection
from mvt_nas.tasks.detection.feature_maps import (
    COORDINATES,
    POOLED,
    PROJECTED,
    SMALLER,
    boxes_per_position,
    sides,
)
from mvt_nas.tasks.head_modules import HEAD_MODULES


class BoxPredictor(nn.Module):
    """What finds the boxes around all positions of one map.

    Args:
        in_channels: of the map.
        level: of the map, from 0, the largest.
        width: channels that are looked at; ``None`` where the map is one position.
        classes: kinds of objects, the background among them.
    """

    def __init__(self, in_channels: int, level: int, width: int | None, classes: int) -> None:
        super().__init__()
        self.each = COORDINATES + classes
        channels = boxes_per_position(level) * self.each
        projects = width is not None and level < len(PROJECTED)
        self.project = (
            conv_norm(in_channels, width or in_channels, activation="relu")
            if projects
            else nn.Identity()
        )
        looked = width or in_channels
        self.depthwise = (
            nn.Identity()
            if width is None
            else conv_norm(looked, looked, 3, groups=looked, activation="linear")
        )
        self.predict = nn.Conv2d(looked, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, boxes, coordinates + classes) for the map, (B, C, h, w)."""
        y = self.predict(self.depthwise(self.project(x)))
        return copy(y.permute(0, 2, 3, 1)).reshape(y.shape[0], -1, self.each)


@HEAD_MODULES.register("detection")
class SSDLite(nn.Module):
    """Six maps, and what is found on each.

    Args:
        task: what is looked for.
        widths: channels of the backbone's two maps.
        dropout: has no place in this head.
    """

    def __init__(self, task: Detection, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        classes, before, boxes = task.num_classes + 1, widths[-1], list[nn.Module]()
        self.smaller = nn.ModuleList()
        for level, width in enumerate(PROJECTED):
            boxes.append(BoxPredictor(widths[level], level, width, classes))
        for level, width in enumerate(SMALLER, start=len(PROJECTED)):
            halves = conv_norm(before, before, 3, stride=2, groups=before, activation="linear")
            self.smaller.append(
                nn.Sequential(*halves, *conv_norm(before, width, activation="relu"))
            )
            boxes.append(BoxPredictor(width, level, width, classes))
            before = width
        self.pooled = nn.Sequential(nn.Conv2d(before, POOLED, 1, bias=False), nn.ReLU())
        self.boxes = nn.ModuleList([*boxes, BoxPredictor(POOLED, len(boxes), None, classes)])

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return logits, (B, A, classes + 1), the background first, and offsets, (B, A, 4), for two maps, each (B, C, h, w).

        The offsets belong to the anchors in their order (see
        :func:`mvt_nas.tasks.detection.anchors.decode`).
        """
        x, outputs = maps[-1], [boxes(x) for boxes, x in zip(self.boxes, maps, strict=False)]
        for smaller in self.smaller:
            x = smaller(x)
            outputs.append(self.boxes[len(outputs)](x))
        x = self.pooled(x.mean(dim=(2, 3))[:, :, None, None])
        found = torch.cat([*outputs, self.boxes[len(outputs)](x)], dim=1)
        return found[..., COORDINATES:], found[..., :COORDINATES]

    def anchors(self, maps: Sequence[tuple[int, int]]) -> Tensor:
        """Return the anchors in centre form, (A, 4), from height and width of the backbone's two maps."""
        heights, widths = (sides(*(size[axis] for size in maps)) for axis in (0, 1))
        return anchors(list(zip(heights, widths, strict=True)))
