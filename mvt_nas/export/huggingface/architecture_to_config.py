"""The configuration of transformers that describes an architecture, if there is one.

A configuration is guessed from the architecture and read again. Only a guess that reads back as the
same architecture counts, so no rule for the conversion is written twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ArchitectureError, ExportError, listing
from mvt_nas.export.huggingface.config_to_architecture import V1, V2, architecture_of
from mvt_nas.space.architecture import CONV, Architecture
from mvt_nas.space.widths import make_divisible

CLASSES = {V1: "MobileViT", V2: "MobileViTV2"}
"""Names of the classes in transformers, by ``model_type``."""

_LAYOUT = (CONV, CONV, MobileViT.kind, MobileViT.kind, MobileViT.kind)
_V2_WIDTHS = (256, 384, 512)
"""Widths of the last three stages of MobileViTV2, before multiplication."""


def configuration_for(architecture: Architecture) -> tuple[dict[str, Any] | None, str]:
    """Return a configuration and an empty reason, or ``None`` and the reason.

    The configuration lacks classes and dropouts. The reason names the part of the architecture that
    transformers cannot express.
    """
    reason = _layout_reason(architecture)
    if reason:
        return None, reason
    blocks = [stage.block for stage in architecture.stages if isinstance(stage.block, MobileViT)]
    kind = V1 if blocks[0].attention == "multi_head" else V2
    guesses = list(
        _v1_guesses(architecture, blocks) if kind == V1 else _v2_guesses(architecture, blocks)
    )
    for guess in guesses:
        if _architecture_or_none(guess) == architecture:
            reason = "" if kind == V1 else _resize_reason(architecture)
            return (None, reason) if reason else (guess, "")
    best = _architecture_or_none(guesses[0]) if guesses else None
    difference = _first_difference(architecture, best)
    return None, f"{difference}, which {CLASSES[kind]} of transformers has not"


def _layout_reason(architecture: Architecture) -> str:
    """Return the reason why stages, first expansion or head do not suit transformers, or ""."""
    kinds = tuple(stage.kind for stage in architecture.stages)
    if kinds != _LAYOUT:
        blocks = [stage for stage in architecture.stages if isinstance(stage.block, MobileViT)]
        return (
            f"{len(architecture.stages)} stages with {len(blocks)} blocks, where transformers"
            " has 5 with blocks in the last three"
        )
    without = "without the first convolution, which transformers always has"
    if architecture.stages[0].expansion == 1:
        return f"inverted residuals {without}"
    is_v1 = getattr(architecture.stages[2].block, "attention", "") == "multi_head"
    if is_v1 and architecture.head_width is None:
        return f"a head {without}"
    return ""


def _architecture_or_none(guess: dict[str, Any]) -> Architecture | None:
    try:
        return architecture_of(guess, "guess")
    except (ExportError, ArchitectureError):
        return None


def _v1_guesses(architecture: Architecture, blocks: list[MobileViT]) -> Iterator[dict[str, Any]]:
    widths = [
        architecture.stem_width,
        *(stage.width for stage in architecture.stages),
        architecture.head_width or 0,
    ]
    for ratio in _ffn_ratios(blocks):
        yield _common_settings(architecture, blocks[0], V1) | {
            "hidden_sizes": [block.dim for block in blocks],
            "neck_hidden_sizes": widths,
            "num_attention_heads": blocks[0].heads,
            "mlp_ratio": ratio,
        }


def _ffn_ratios(blocks: list[MobileViT]) -> list[float]:
    """Return candidates for the ratio of feed-forward channels to dims, one for all blocks.

    transformers rounds the product of ratio and dim down. So the ratio must be at least each
    block's own, and below that with one more channel. The second candidate, in the middle, is safe
    from rounding errors at the lower end.
    """
    low = max(block.ffn_dim / block.dim for block in blocks)
    high = min((block.ffn_dim + 1) / block.dim for block in blocks)
    return [low, (low + high) / 2]


def _v2_guesses(architecture: Architecture, blocks: list[MobileViT]) -> Iterator[dict[str, Any]]:
    widths = [stage.width for stage in architecture.stages[2:]]
    for multiplier in _width_multipliers():
        if [make_divisible(base * multiplier) for base in _V2_WIDTHS] == widths:
            yield _common_settings(architecture, blocks[0], V2) | {
                "n_attn_blocks": [block.transformer_depth for block in blocks],
                "base_attn_unit_dims": [round(block.dim / multiplier) for block in blocks],
                "width_multiplier": multiplier,
                "ffn_multiplier": max(1, round(blocks[0].ffn_dim / blocks[0].dim)),
            }


def _width_multipliers() -> Iterator[float]:
    """Yield 0.01 to 16 in steps of 0.01: first the multiples of 0.25, as published, in order."""
    for percent in sorted(range(1, 1601), key=lambda percent: (percent % 25 != 0, percent)):
        yield percent / 100


def _common_settings(architecture: Architecture, block: MobileViT, kind: str) -> dict[str, Any]:
    """Return the settings that both kinds of model have; ``block`` is the first one."""
    return {
        "model_type": kind,
        "num_channels": 3,
        "image_size": architecture.resolution_px,
        "patch_size": block.patch,
        "expand_ratio": architecture.stages[0].expansion,
        "hidden_act": "silu" if kind == V1 else "swish",
        "conv_kernel_size": block.local_kernel,
        "output_stride": 32,
        "layer_norm_eps": 1e-5,
        **({"qkv_bias": True} if kind == V1 else {}),
    }


def _first_difference(architecture: Architecture, other: Architecture | None) -> str:
    """Return the first field, with its value, in which an architecture differs from another."""
    if other is None:
        return f"stages of {listing(stage.width for stage in architecture.stages)} channels"
    for name in ("stem_width", "head_width"):
        if getattr(architecture, name) != getattr(other, name):
            return f"{name} = {getattr(architecture, name)}"
    stages = zip(architecture.stages, other.stages, strict=True)
    for number, (own, others) in enumerate(stages, start=1):
        other_fields = others.to_dict()
        for name, value in own.to_dict().items():
            if value != other_fields.get(name):
                return f"{name} = {value} in stage {number}"
    return f"images of {architecture.resolution_px} pixels"


def _resize_reason(architecture: Architecture) -> str:
    """Return the reason why MobileViTV2 does not suit a map that patches do not divide, or "".

    It does not resize the map, as the blocks of this package do.
    """
    side = math.ceil(architecture.resolution_px / 2)  # after the stem
    for number, stage in enumerate(architecture.stages, start=1):
        side = math.ceil(side / stage.stride)
        if isinstance(stage.block, MobileViT) and side % stage.block.patch:
            sizes = f"{side} x {side} in stage {number}, patches of {stage.block.patch}"
            return f"maps of {sizes}: MobileViTV2 of transformers does not resize"
    return ""
