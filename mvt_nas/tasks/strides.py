"""Strides and dilations of a backbone's stages, also for tasks that need larger maps.

A stage that would reduce the map too far keeps its size instead, and the following convolutions are
dilated, so that their receptive fields stay the same.

Source: arXiv 1706.05587, Section 3.1 (output stride, atrous convolution); which convolutions are
dilated follows the release of MobileViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_STEM_STRIDE = 2


class StageStride(NamedTuple):
    """Stride and dilations of a stage.

    Attributes:
        stride: Stride of the first inverted residual.
        dilation_before: Dilation of the first inverted residual.
        dilation: Dilation of all that follows it in the stage.
        reduction: Ratio of the image's side to that of the map that leaves the stage.
    """

    stride: int
    dilation_before: int
    dilation: int
    reduction: int


def steps(strides: Sequence[int], largest: int | None) -> list[StageStride]:
    """Return the stride and the dilations of each stage.

    Args:
        strides: Strides of the architecture's stages.
        largest: Largest allowed reduction of the image; ``None`` for no limit.
    """
    result: list[StageStride] = []
    reduction = _STEM_STRIDE
    dilation = 1
    for stride in strides:
        before = dilation
        if largest is not None and stride > 1 and reduction * stride > largest:
            # The stride becomes a dilation of everything that follows.
            dilation *= stride
            stride = 1
        reduction *= stride
        result.append(StageStride(stride, before, dilation, reduction))
    return result
