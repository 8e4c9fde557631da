"""Networks that are meant for 256 px, brought to pictures of 32 or 64 px.

At 32 px a total stride of 32 leaves one position, where attention and depthwise convolutions have nothing to look at: the accuracy would
tell how well a network works as a perceptron. The rule keeps what is told apart:

1. The input is ``pixels`` wide. The stem's stride stays 2.
2. While the last map is smaller than 4 × 4, the earliest stage with stride 2 gets stride 1. The earliest, since late stages then keep
   the order of their maps, and since full resolution matters most where nothing has been thrown away yet, as in the usual CIFAR
   variants of ResNet and MobileNetV2.
3. A patch is no larger than half the side of its map, so that attention runs between 2 × 2 patches or more.

Widths, depths and everything else stay. A network for which nothing of this is needed only gets the new resolution.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from mvt_nas.space.architecture import Architecture, Block, Stage
from mvt_nas.space.fields import specs

SMALLEST_LAST_PX = 4
"""Side of the last map, where strides allow it."""


def for_small_images(architecture: Architecture, pixels: int) -> Architecture:
    """Return the network with strides and patches that make sense at ``pixels``.

    Raises:
        ArchitectureError: a number of pixels that is not allowed.
    """
    strides = [stage.stride for stage in architecture.stages]
    while _sides(pixels, strides)[-1] < SMALLEST_LAST_PX and 2 in strides:
        strides[strides.index(2)] = 1
    sides = _sides(pixels, strides)
    stages = tuple(_stage(stage, stride, side) for stage, stride, side in zip(architecture.stages, strides, sides, strict=True))
    return dataclasses.replace(architecture, resolution_px=pixels, stages=stages)


def _sides(pixels: int, strides: list[int]) -> list[int]:
    """Return the side of the map that leaves each stage; a convolution of stride 2 rounds up."""
    sides, side = [], (pixels + 1) // 2
    for stride in strides:
        side = (side + stride - 1) // stride
        sides.append(side)
    return sides


def _stage(stage: Stage, stride: int, side: int) -> Stage:
    return dataclasses.replace(stage, stride=stride, block=None if stage.block is None else _block(stage.block, side))


def _block(block: Block, side: int) -> Block:
    if "patch" not in specs(type(block)):
        return block
    changes: dict[str, Any] = {"patch": min(getattr(block, "patch"), max(1, side // 2))}  # noqa: B009  # not every block has one
    return dataclasses.replace(block, **changes)  # type: ignore[type-var]  # every block is a dataclass
