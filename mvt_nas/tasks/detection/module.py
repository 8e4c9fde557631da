"""The module of the SSDLite head (see ``lowering.py`` for its kernels).

Source: arXiv 1512.02325, Section 2.1, with the separable convolutions of 1801.04381, Section 6.2;
the places of norms and ReLU follow the release of MobileViT.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mvt_nas.blocks.layers import conv_norm, copy
from mvt_nas.tasks.base import HEAD_MODULES
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


class BoxPredictor(nn.Module):
    """Predictor of classes and offsets for all boxes of one map.

    Args:
        in_channels: Channels of the map.
        level: Number of the map, from 0 for the largest.
        width: Channels of the depthwise convolution; ``None`` where the map has one position.
        classes: Number of classes, the background included.
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
        features = width or in_channels
        self.depthwise = (
            nn.Identity()
            if width is None
            else conv_norm(features, features, 3, groups=features, activation="linear")
        )
        self.predict = nn.Conv2d(features, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, boxes, coordinates + classes) for the map, (B, C, h, w)."""
        y = self.predict(self.depthwise(self.project(x)))
        return copy(y.permute(0, 2, 3, 1)).reshape(y.shape[0], -1, self.each)


@HEAD_MODULES.register("detection")
class SSDLite(nn.Module):
    """The SSDLite head: six maps with a box predictor for each.

    Args:
        task: Configuration of the task.
        widths: Channels of the backbone's two maps.
        dropout: Not used by this head.
    """

    def __init__(self, task: Detection, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        classes = task.num_classes + 1
        before = widths[-1]
        boxes: list[nn.Module] = []
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
        """Return logits, (B, A, classes + 1), the background first, and offsets, (B, A, 4).

        The offsets are in the order of the anchors (see
        :func:`mvt_nas.tasks.detection.anchors.decode`).

        Args:
            images: Images, (B, 3, H, W); not used by this head.
            maps: The backbone's two maps, each (B, C, h, w).
        """
        outputs = [boxes(x) for boxes, x in zip(self.boxes, maps, strict=False)]
        x = maps[-1]
        for smaller in self.smaller:
            x = smaller(x)
            outputs.append(self.boxes[len(outputs)](x))
        x = self.pooled(x.mean(dim=(2, 3))[:, :, None, None])
        outputs.append(self.boxes[len(outputs)](x))
        predictions = torch.cat(outputs, dim=1)
        return predictions[..., COORDINATES:], predictions[..., :COORDINATES]

    def anchors(self, maps: Sequence[tuple[int, int]]) -> Tensor:
        """Return the anchors in centre form, (A, 4).

        Args:
            maps: Height and width of each of the backbone's two maps.
        """
        heights = sides(*(height for height, _ in maps))
        widths = sides(*(width for _, width in maps))
        return anchors(list(zip(heights, widths, strict=True)))
