"""The published families with the settings that other projects' configurations let people change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.widths import feed_forward_width, make_divisible


@dataclass(frozen=True, slots=True)
class MobileViTV2Config:
    """What configurations of MobileViTv2 say; the defaults are the published ones.

    Attributes:
        resolution_px: side of the image.
        width_multiplier: of all channels.
        dims: transformer channels before they are multiplied.
        depths: transformer layers.
        ffn_multiplier: feed-forward channels per transformer channel.
        expansion: of the inverted residuals.
        patch: side of a patch.
        kernel: of the local convolution.
    """

    resolution_px: int = 256
    width_multiplier: float = 1.0
    dims: tuple[float, ...] = (128, 192, 256)
    depths: tuple[int, ...] = (2, 4, 3)
    ffn_multiplier: float = 2
    expansion: float = 2.0
    patch: int = 2
    kernel: int = 3


def second_family(settings: MobileViTV2Config, *, third: bool = False) -> Architecture:
    """Return a MobileViTv2, or where ``third`` the MobileViTv3 that is built on it.

    Source: arXiv 2206.02680 and 2209.15159, widths as rounded in their releases.

    Raises:
        ArchitectureError: settings that no network can have.
    """
    times = settings.width_multiplier
    conv = [(_divisible(64 * times, 16), 1, 1), (_divisible(128 * times), 2, 2)]
    stages = [
        Stage(width=width, depth=depth, stride=stride, expansion=settings.expansion)
        for width, depth, stride in conv
    ]
    sizes = zip((256, 384, 512), settings.dims, settings.depths, strict=True)
    for width, dim, depth in sizes:
        block = _second_block(settings, _divisible(dim * times), depth, third)
        stages.append(
            Stage(width=_divisible(width * times), expansion=settings.expansion, block=block)
        )
    stem = _divisible(max(16, min(64, 32 * times)))
    return Architecture(resolution_px=settings.resolution_px, stem_width=stem, stages=tuple(stages))


def _second_block(settings: MobileViTV2Config, dim: int, depth: int, third: bool) -> MobileViT:
    return MobileViT(
        attention="separable",
        dim=dim,
        transformer_depth=depth,
        ffn_dim=feed_forward_width(settings.ffn_multiplier, dim),
        patch=settings.patch,
        local_kernel=settings.kernel,
        fusion="local" if third else "none",
        residual=third,
    )


def _divisible(value: float, divisor: int = 8) -> int:
    return int(make_divisible(value, divisor))


def with_blocks(architecture: Architecture, changes: Mapping[str, object]) -> Architecture:
    """Return the architecture with fields of all its blocks changed."""
    stages = tuple(
        (
            stage
            if stage.block is None
            else replace(stage, block=replace(cast(Any, stage.block), **changes))
        )
        for stage in architecture.stages
    )
    return replace(architecture, stages=stages)
