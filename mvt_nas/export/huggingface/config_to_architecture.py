"""The architecture that a configuration of transformers' ``MobileViT`` or ``MobileViTV2`` stands for.

Source: the classes ``MobileViTConfig`` and ``MobileViTV2Config`` and the modules that they
configure, in Hugging Face's transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ExportError
from mvt_nas.export.published_configs import MobileViTV2Config, second_family
from mvt_nas.space.architecture import Architecture, Stage

Configuration = Mapping[str, Any]
"""The content of a ``config.json``."""

FIRST, SECOND = "mobilevit", "mobilevitv2"
"""Their ``model_type``."""

# What a configuration means that leaves a setting out.
DEFAULTS: dict[str, dict[str, Any]] = {
    FIRST: {
        "num_channels": 3,
        "image_size": 256,
        "patch_size": 2,
        "hidden_sizes": [144, 192, 240],
        "neck_hidden_sizes": [16, 32, 64, 96, 128, 160, 640],
        "num_attention_heads": 4,
        "mlp_ratio": 2.0,
        "expand_ratio": 4.0,
        "hidden_act": "silu",
        "conv_kernel_size": 3,
        "output_stride": 32,
        "layer_norm_eps": 1e-5,
        "qkv_bias": True,
    },
    SECOND: {
        "num_channels": 3,
        "image_size": 256,
        "patch_size": 2,
        "expand_ratio": 2.0,
        "hidden_act": "swish",
        "conv_kernel_size": 3,
        "output_stride": 32,
        "layer_norm_eps": 1e-5,
        "n_attn_blocks": [2, 4, 3],
        "base_attn_unit_dims": [128, 192, 256],
        "width_multiplier": 1.0,
        "ffn_multiplier": 2,
    },
}
FIRST_DEPTHS = (2, 4, 3)
"""Transformer layers of the three blocks of ``MobileViT``."""

# What all networks here have, if a configuration says it at all.
_FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu", "swish"),
    "output_stride": (32,),
    "layer_norm_eps": (1e-5,),
    "qkv_bias": (True,),
}


def architecture_of(configuration: Configuration, where: str) -> Architecture:
    """Return the architecture; ``where`` begins the messages.

    Raises:
        ExportError: another type of model, or a setting that no network here can have.
        ArchitectureError: a number that is not allowed.
    """
    kind = configuration.get("model_type")
    if kind not in DEFAULTS:
        raise ExportError(
            f"{where}: model_type = {kind!r} is not allowed; one of {', '.join(DEFAULTS)}"
        )
    complete = DEFAULTS[kind] | {
        name: value for name, value in configuration.items() if name in DEFAULTS[kind]
    }
    for name, allowed in _FIXED.items():
        if name in complete and complete[name] not in allowed:
            raise ExportError(
                f"{where}: {name} = {complete[name]!r} is not allowed;"
                f" {' or '.join(map(repr, allowed))}"
            )
    if complete["expand_ratio"] == 1:
        raise ExportError(
            f"{where}: expand_ratio = 1 still has an expanding convolution in transformers, here it"
            " has none"
        )
    return _first(complete, where) if kind == FIRST else _second(complete, where)


def _first(found: Configuration, where: str) -> Architecture:
    dims, widths = (
        _integers(found, "hidden_sizes", 3, where),
        _integers(found, "neck_hidden_sizes", 7, where),
    )
    expansion, kernel = (
        _number(found, "expand_ratio", where),
        _integer(found, "conv_kernel_size", where),
    )
    stages = [
        Stage(width=widths[1], stride=1, expansion=expansion),
        Stage(width=widths[2], depth=3, expansion=expansion),
    ]
    for dim, width, depth in zip(dims, widths[3:6], FIRST_DEPTHS, strict=True):
        block = MobileViT(
            attention="multi_head",
            dim=dim,
            transformer_depth=depth,
            ffn_dim=int(dim * _number(found, "mlp_ratio", where)),
            heads=_integer(found, "num_attention_heads", where),
            patch=_square(found, "patch_size", where),
            local_kernel=kernel,
            fusion="input",
            fusion_kernel=kernel,
        )
        stages.append(Stage(width=width, expansion=expansion, block=block))
    side = _square(found, "image_size", where)
    return Architecture(
        resolution_px=side, stem_width=widths[0], head_width=widths[6], stages=tuple(stages)
    )


def _second(found: Configuration, where: str) -> Architecture:
    return second_family(
        MobileViTV2Config(
            resolution_px=_square(found, "image_size", where),
            width_multiplier=_number(found, "width_multiplier", where),
            dims=tuple(_integers(found, "base_attn_unit_dims", 3, where)),
            depths=tuple(_integers(found, "n_attn_blocks", 3, where)),
            ffn_multiplier=_number(found, "ffn_multiplier", where),
            expansion=_number(found, "expand_ratio", where),
            patch=_square(found, "patch_size", where),
            kernel=_integer(found, "conv_kernel_size", where),
        )
    )


def _integer(found: Configuration, name: str, where: str) -> int:
    value = found[name]
    if type(value) is not int:
        raise ExportError(f"{where}: {name} = {value!r} is not allowed; an integer")
    return value


def _integers(found: Configuration, name: str, count: int, where: str) -> list[int]:
    value = found[name]
    if (
        not isinstance(value, list | tuple)
        or len(value) != count
        or any(type(one) is not int for one in value)
    ):
        raise ExportError(f"{where}: {name} = {value!r} is not allowed; a list of {count} integers")
    return list(value)


def _number(found: Configuration, name: str, where: str) -> float:
    value = found[name]
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 < value <= 64:
        raise ExportError(
            f"{where}: {name} = {value!r} is not allowed; a number above 0, at most 64"
        )
    return float(value)


def _square(found: Configuration, name: str, where: str) -> int:
    """Return the side, which may be given twice: as height and width."""
    value = found[name]
    sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    if any(type(side) is not int for side in sides) or len(set(sides)) != 1:
        raise ExportError(
            f"{where}: {name} = {value!r} is not allowed; one integer, or twice the same"
        )
    return int(sides[0])
