"""MobileViTv2 and v3 with the settings that other projects' configurations let users change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.widths import feed_forward_width, make_divisible


@dataclass(frozen=True, slots=True)
class MobileViTV2Config:
    """Settings of a MobileViTv2; the defaults are the published values.

    Attributes:
        resolution_px: Side of the images, in pixels.
        width_multiplier: Factor of all channels.
        dims: Transformer channels of the three blocks, before multiplication.
        depths: Transformer layers of the three blocks.
        ffn_multiplier: Feed-forward channels per transformer channel.
        expansion: Expansion of the inverted residuals.
        patch: Side of a patch, in positions.
        kernel: Side of the kernel of the local convolution.
    """

    resolution_px: int = 256
    width_multiplier: float = 1.0
    dims: tuple[float, ...] = (128, 192, 256)
    depths: tuple[int, ...] = (2, 4, 3)
    ffn_multiplier: float = 2
    expansion: float = 2.0
    patch: int = 2
    kernel: int = 3


def mobilevit_v2(config: MobileViTV2Config, *, v3: bool = False) -> Architecture:
    """Return a MobileViTv2, or the MobileViTv3 that is based on it.

    Source: arXiv 2206.02680 and 2209.15159, widths rounded as in their releases.

    Raises:
        ArchitectureError: The settings are not allowed.
    """
    factor = config.width_multiplier
    stages = [
        Stage(width=_divisible(64 * factor, 16), depth=1, stride=1, expansion=config.expansion),
        Stage(width=_divisible(128 * factor), depth=2, stride=2, expansion=config.expansion),
    ]
    block_stages = zip((256, 384, 512), config.dims, config.depths, strict=True)
    for width, dim, depth in block_stages:
        block = _block(config, _divisible(dim * factor), depth, v3)
        stages.append(
            Stage(width=_divisible(width * factor), expansion=config.expansion, block=block)
        )
    stem_width = _divisible(max(16, min(64, 32 * factor)))
    return Architecture(
        resolution_px=config.resolution_px, stem_width=stem_width, stages=tuple(stages)
    )


def _block(config: MobileViTV2Config, dim: int, depth: int, v3: bool) -> MobileViT:
    return MobileViT(
        attention="separable",
        dim=dim,
        transformer_depth=depth,
        ffn_dim=feed_forward_width(config.ffn_multiplier, dim),
        patch=config.patch,
        local_kernel=config.kernel,
        fusion="local" if v3 else "none",
        residual=v3,
    )


def _divisible(value: float, divisor: int = 8) -> int:
    return int(make_divisible(value, divisor))


def with_blocks(architecture: Architecture, changes: Mapping[str, object]) -> Architecture:
    """Return the architecture with the given fields changed in all its blocks."""
    stages = []
    for stage in architecture.stages:
        if stage.block is not None:
            block = replace(cast(Any, stage.block), **changes)
            stage = replace(stage, block=block)
        stages.append(stage)
    return replace(architecture, stages=tuple(stages))
