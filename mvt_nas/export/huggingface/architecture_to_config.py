"""A configuration of transformers that stands for an architecture, where there is one.

It is guessed from the architecture and then read again: only a guess that reads back as the same
architecture counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ArchitectureError, ExportError, listing
from mvt_nas.export.huggingface.config_to_architecture import FIRST, SECOND, architecture_of
from mvt_nas.space.architecture import CONV, Architecture
from mvt_nas.space.widths import make_divisible

CLASSES = {FIRST: "MobileViT", SECOND: "MobileViTV2"}
"""Class of the model by its ``model_type``."""

_LAYOUT = (CONV, CONV, MobileViT.kind, MobileViT.kind, MobileViT.kind)


def configuration_for(architecture: Architecture) -> tuple[dict[str, Any] | None, str]:
    """Return the configuration, without classes and dropouts; or ``None`` and what of the architecture it has no words for."""
    blocks = [stage.block for stage in architecture.stages if isinstance(stage.block, MobileViT)]
    if tuple(stage.kind for stage in architecture.stages) != _LAYOUT:
        return (
            None,
            (
                f"{len(architecture.stages)} stages with {len(blocks)} blocks, where transformers"
                " has 5 with blocks in the last three"
            ),
        )
    first = blocks[0].attention == "multi_head"
    if architecture.stages[0].expansion == 1 or (first and architecture.head_width is None):
        what = "a head" if architecture.stages[0].expansion != 1 else "inverted residuals"
        return None, f"{what} without the first convolution, which transformers always has"
    kind = FIRST if first else SECOND
    nearest: dict[str, Any] | None = None
    for guess in (
        _first_guesses(architecture, blocks) if first else _second_guesses(architecture, blocks)
    ):
        if _read(guess) == architecture:
            outside = None if first else _undivided(architecture)
            return (None, outside) if outside else (guess, "")
        nearest = nearest or guess
    return (
        None,
        (
            f"{_difference(architecture, _read(nearest) if nearest else None)}, which"
            f" {CLASSES[kind]} of transformers has not"
        ),
    )


def _read(guess: dict[str, Any]) -> Architecture | None:
    try:
        return architecture_of(guess, "guess")
    except (ExportError, ArchitectureError):
        return None


def _first_guesses(architecture: Architecture, blocks: list[MobileViT]) -> Iterator[dict[str, Any]]:
    widths = [
        architecture.stem_width,
        *(stage.width for stage in architecture.stages),
        architecture.head_width or 0,
    ]
    for ratio in _ratios(blocks):
        yield _shared(architecture, blocks[0], FIRST) | {
            "hidden_sizes": [block.dim for block in blocks],
            "neck_hidden_sizes": widths,
            "num_attention_heads": blocks[0].heads,
            "mlp_ratio": ratio,
        }


def _ratios(blocks: list[MobileViT]) -> list[float]:
    """Return candidates for the one ratio whose products with the dims, rounded down, are the feed-forward channels."""
    low = max(block.ffn_dim / block.dim for block in blocks)
    high = min((block.ffn_dim + 1) / block.dim for block in blocks)
    return [low, (low + high) / 2]


def _second_guesses(
    architecture: Architecture, blocks: list[MobileViT]
) -> Iterator[dict[str, Any]]:
    widths = [stage.width for stage in architecture.stages[2:]]
    for percent in sorted(range(1, 1601), key=lambda one: (one % 25 != 0, one)):
        times = percent / 100
        if [make_divisible(base * times) for base in (256, 384, 512)] == widths:
            yield _shared(architecture, blocks[0], SECOND) | {
                "n_attn_blocks": [block.transformer_depth for block in blocks],
                "base_attn_unit_dims": [round(block.dim / times) for block in blocks],
                "width_multiplier": times,
                "ffn_multiplier": max(1, round(blocks[0].ffn_dim / blocks[0].dim)),
            }


def _shared(architecture: Architecture, block: MobileViT, kind: str) -> dict[str, Any]:
    return {
        "model_type": kind,
        "num_channels": 3,
        "image_size": architecture.resolution_px,
        "patch_size": block.patch,
        "expand_ratio": architecture.stages[0].expansion,
        "hidden_act": "silu" if kind == FIRST else "swish",
        "conv_kernel_size": block.local_kernel,
        "output_stride": 32,
        "layer_norm_eps": 1e-5,
        **({"qkv_bias": True} if kind == FIRST else {}),
    }


def _difference(architecture: Architecture, other: Architecture | None) -> str:
    """Return the first field in which an architecture differs from another."""
    if other is None:
        return f"stages of {listing(stage.width for stage in architecture.stages)} channels"
    for name in ("stem_width", "head_width"):
        if getattr(architecture, name) != getattr(other, name):
            return f"{name} = {getattr(architecture, name)}"
    for number, (own, theirs) in enumerate(
        zip(architecture.stages, other.stages, strict=True), start=1
    ):
        ours, others = own.to_dict(), theirs.to_dict()
        for name in ours:
            if ours[name] != others.get(name):
                return f"{name} = {ours[name]} in stage {number}"
    return f"images of {architecture.resolution_px} pixels"


def _undivided(architecture: Architecture) -> str | None:
    """Return why the second family cannot: it does not resize maps that the patch does not divide."""
    side = math.ceil(architecture.resolution_px / 2)
    for number, stage in enumerate(architecture.stages, start=1):
        side = math.ceil(side / stage.stride)
        if isinstance(stage.block, MobileViT) and side % stage.block.patch:
            sizes = f"{side} x {side} in stage {number}, patches of {stage.block.patch}"
            return f"maps of {sizes}: MobileViTV2 of transformers does not resize"
    return None
