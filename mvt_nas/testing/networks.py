"""Small networks that the contracts run on."""

from __future__ import annotations

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.space.architecture import Architecture, Block, Stage

RESOLUTION_PX = 64
NUM_CLASSES = 10


def small_architecture(block: Block | None = None, width: int = 24) -> Architecture:
    """Return an architecture of three stages, the second with a block, for 64 px images.

    Args:
        block: Block of the second stage; by default a MobileViT block with separable attention.
        width: Width of the stages.
    """
    second = block or MobileViT(attention="separable", dim=16, ffn_dim=32, transformer_depth=1)
    return Architecture(
        stem_width=8,
        head_width=32,
        resolution_px=RESOLUTION_PX,
        stages=(Stage(width=16), Stage(width=width, block=second), Stage(width=width)),
    )
