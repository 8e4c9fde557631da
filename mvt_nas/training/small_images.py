"""Networks designed for 256 px, adapted to images of 32 or 64 px.

At 32 px, a total stride of 32 leaves one position, where attention and depthwise convolutions have
nothing to work on: the accuracy would only show how well a network does as a perceptron. The rule
keeps the properties that tell networks apart:

1. The input is ``pixels`` wide. The stem's stride stays 2.
2. While the last map is smaller than 4 x 4, the earliest stage with stride 2 gets stride 1. The
   earliest, since late stages then keep the order of their maps, and since full resolution matters
   most where nothing has been discarded yet, as in the usual CIFAR variants of ResNet and
   MobileNetV2.
3. A patch is at most half as wide as its map, so that attention runs between 2 x 2 patches or
   more.

Widths, depths and everything else stay. A network that needs none of this only gets the new
resolution.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from mvt_nas._fields import specs
from mvt_nas.space.architecture import Architecture, Block, Stage
from mvt_nas.training.short_recipe import ShortRecipe

SMALLEST_LAST_PX = 4
"""Smallest side of the last map, where the strides allow it."""


def as_trained(architecture: Architecture, recipe: ShortRecipe) -> Architecture:
    """Return an architecture as a recipe trains it: at its resolution, with adapted strides."""
    if recipe.small_images:
        return for_small_images(architecture, recipe.pixels)
    return dataclasses.replace(architecture, resolution_px=recipe.pixels)


def for_small_images(architecture: Architecture, pixels: int) -> Architecture:
    """Return the network with strides and patches that suit images of ``pixels`` px.

    Raises:
        ArchitectureError: the number of pixels is not allowed.
    """
    strides, patches = strides_and_patches([stage.stride for stage in architecture.stages], pixels)
    stages = tuple(
        _stage(*parts) for parts in zip(architecture.stages, strides, patches, strict=True)
    )
    return dataclasses.replace(architecture, resolution_px=pixels, stages=stages)


def strides_and_patches(strides: Sequence[int], pixels: int) -> tuple[list[int], list[int]]:
    """Return the stride and the largest patch of each stage that suit images of ``pixels`` px."""
    changed = list(strides)
    while _sides(pixels, changed)[-1] < SMALLEST_LAST_PX and 2 in changed:
        changed[changed.index(2)] = 1
    return changed, [max(1, side // 2) for side in _sides(pixels, changed)]


def _sides(pixels: int, strides: list[int]) -> list[int]:
    """Return the side of the output map of each stage; a convolution of stride 2 rounds up."""
    sides = []
    side = (pixels + 1) // 2
    for stride in strides:
        side = (side + stride - 1) // stride
        sides.append(side)
    return sides


def _stage(stage: Stage, stride: int, largest: int) -> Stage:
    block = None if stage.block is None else _block(stage.block, largest)
    return dataclasses.replace(stage, stride=stride, block=block)


def _block(block: Block, largest: int) -> Block:
    if "patch" not in specs(type(block)):
        return block
    # The type of blocks has no such field, as not every block has a patch.
    patch = getattr(block, "patch")  # noqa: B009
    changes: dict[str, Any] = {"patch": min(patch, largest)}
    return dataclasses.replace(block, **changes)  # type: ignore[type-var]  # every block is a dataclass
