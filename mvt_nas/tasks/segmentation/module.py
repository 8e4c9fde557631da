"""The module of the DeepLabv3 head (see ``lowering.py`` for its kernels).

Source: arXiv 1706.05587, Section 3.3; ReLU within the head and resizing with aligned corners as in
the release of MobileViT.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.blocks.layers import conv_norm
from mvt_nas.tasks.base import HEAD_MODULES
from mvt_nas.tasks.segmentation.config import Segmentation
from mvt_nas.tasks.segmentation.lowering import RATES


@HEAD_MODULES.register("segmentation")
class DeepLab(nn.Module):
    """The DeepLabv3 head: a pyramid of dilated convolutions, and a classifier of every pixel.

    Args:
        task: Configuration of the task, fitted to the backbone.
        widths: Channels of the one map that the head reads.
        dropout: Probability before the last convolution, in training.
    """

    def __init__(self, task: Segmentation, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        (in_channels,) = widths
        width = task.pyramid_width
        branches = [conv_norm(in_channels, width, activation="relu")]
        branches += [
            conv_norm(in_channels, width, 3, dilation=task.rate * times, activation="relu")
            for times in RATES
        ]
        self.branches = nn.ModuleList(branches)
        self.pooled = conv_norm(in_channels, width, activation="relu")
        self.project = conv_norm((len(branches) + 1) * width, width, activation="relu")
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Conv2d(width, task.num_classes, 1)

    def forward(self, images: Tensor, maps: Sequence[Tensor]) -> Tensor:
        """Return the logits of every pixel, (B, classes, H, W).

        Args:
            images: Images, (B, 3, H, W), of which only the size is read.
            maps: The last map of the backbone, (B, C, h, w).
        """
        (x,) = maps
        branches = [branch(x) for branch in self.branches]
        pooled = self.pooled(x.mean(dim=(2, 3))[:, :, None, None])
        spread = functional.interpolate(
            pooled, size=x.shape[2:], mode="bilinear", align_corners=False
        )
        y = self.classifier(self.dropout(self.project(torch.cat([*branches, spread], dim=1))))
        return functional.interpolate(y, size=images.shape[2:], mode="bilinear", align_corners=True)
