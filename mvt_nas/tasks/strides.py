"""How a backbone shrinks pictures, stage by stage, also where a task wants larger maps than the classifier.

A stage that would shrink the map too far keeps its size instead, and the convolutions behind it are
dilated, so that they see as much of the picture as before.

Source: arXiv 1706.05587, Section 3.1 (output stride, atrous convolution); which convolutions are
dilated follows the release of MobileViT.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_STEM = 2


class StageStride(NamedTuple):
    """What a stage does to the map.

    Attributes:
        stride: of its first inverted residual.
        dilation_before: of the convolution that would have had the stride.
        dilation: of those that follow.
        reduction: side of the picture per side of the map that leaves the stage.
    """

    stride: int
    dilation_before: int
    dilation: int
    reduction: int


def steps(strides: Sequence[int], largest: int | None) -> list[StageStride]:
    """Return what each stage does.

    Args:
        strides: of the stages, as the architecture has them.
        largest: how far the picture may be shrunk; ``None`` for any.
    """
    result, reduction, dilation = list[StageStride](), _STEM, 1
    for stride in strides:
        before, keeps = (
            dilation,
            largest is not None and stride > 1 and reduction * stride > largest,
        )
        dilation, reduction = (
            (dilation * stride, reduction) if keeps else (dilation, reduction * stride)
        )
        result.append(StageStride(1 if keeps else stride, before, dilation, reduction))
    return result
