"""The architecture that a configuration of transformers' MobileViT or MobileViTV2 describes.

Source: the classes ``MobileViTConfig`` and ``MobileViTV2Config`` and the modules that they
configure, in Hugging Face's transformers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ExportError
from mvt_nas.export.published_configs import MobileViTV2Config, mobilevit_v2
from mvt_nas.space.architecture import Architecture, Stage

Configuration = Mapping[str, Any]
"""The content of a ``config.json``."""

V1 = "mobilevit"
"""``model_type`` of MobileViT."""

V2 = "mobilevitv2"
"""``model_type`` of MobileViTV2."""

DEFAULTS: dict[str, dict[str, Any]] = {
    V1: {
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
    V2: {
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
"""Defaults of the settings, by ``model_type``."""

# Transformer layers of the three blocks of MobileViT, which has no setting for them.
_V1_DEPTHS = (2, 4, 3)

# Settings that are the same in all networks of this package, with the allowed values.
_FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu", "swish"),
    "output_stride": (32,),
    "layer_norm_eps": (1e-5,),
    "qkv_bias": (True,),
}


def architecture_of(configuration: Configuration, where: str) -> Architecture:
    """Return the architecture of a configuration.

    Args:
        configuration: The configuration; absent settings have the defaults of transformers.
        where: Beginning of messages, such as the path of the file.

    Raises:
        ExportError: The type of the model, or a setting, is not supported by this package.
        ArchitectureError: A number is not allowed.
    """
    kind = configuration.get("model_type")
    if kind not in DEFAULTS:
        raise ExportError(
            f"{where}: model_type = {kind!r} is not allowed; one of {', '.join(DEFAULTS)}"
        )
    defaults = DEFAULTS[kind]
    given = {name: value for name, value in configuration.items() if name in defaults}
    complete = defaults | given
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
    return _mobilevit(complete, where) if kind == V1 else _mobilevit_v2(complete, where)


def _mobilevit(configuration: Configuration, where: str) -> Architecture:
    dims = _integers(configuration, "hidden_sizes", 3, where)
    # Stem, five stages, and the convolution in front of the classifier.
    widths = _integers(configuration, "neck_hidden_sizes", 7, where)
    expansion = _number(configuration, "expand_ratio", where)
    kernel = _integer(configuration, "conv_kernel_size", where)
    stages = [
        Stage(width=widths[1], stride=1, expansion=expansion),
        Stage(width=widths[2], depth=3, expansion=expansion),
    ]
    for dim, width, depth in zip(dims, widths[3:6], _V1_DEPTHS, strict=True):
        block = MobileViT(
            attention="multi_head",
            dim=dim,
            transformer_depth=depth,
            ffn_dim=int(dim * _number(configuration, "mlp_ratio", where)),
            heads=_integer(configuration, "num_attention_heads", where),
            patch=_square(configuration, "patch_size", where),
            local_kernel=kernel,
            fusion="input",
            fusion_kernel=kernel,
        )
        stages.append(Stage(width=width, expansion=expansion, block=block))
    side = _square(configuration, "image_size", where)
    return Architecture(
        resolution_px=side, stem_width=widths[0], head_width=widths[6], stages=tuple(stages)
    )


def _mobilevit_v2(configuration: Configuration, where: str) -> Architecture:
    return mobilevit_v2(
        MobileViTV2Config(
            resolution_px=_square(configuration, "image_size", where),
            width_multiplier=_number(configuration, "width_multiplier", where),
            dims=tuple(_integers(configuration, "base_attn_unit_dims", 3, where)),
            depths=tuple(_integers(configuration, "n_attn_blocks", 3, where)),
            ffn_multiplier=_number(configuration, "ffn_multiplier", where),
            expansion=_number(configuration, "expand_ratio", where),
            patch=_square(configuration, "patch_size", where),
            kernel=_integer(configuration, "conv_kernel_size", where),
        )
    )


def _integer(configuration: Configuration, name: str, where: str) -> int:
    value = configuration[name]
    if type(value) is not int:
        raise ExportError(f"{where}: {name} = {value!r} is not allowed; an integer")
    return value


def _integers(configuration: Configuration, name: str, count: int, where: str) -> list[int]:
    value = configuration[name]
    if (
        not isinstance(value, list | tuple)
        or len(value) != count
        or any(type(item) is not int for item in value)
    ):
        raise ExportError(f"{where}: {name} = {value!r} is not allowed; a list of {count} integers")
    return list(value)


def _number(configuration: Configuration, name: str, where: str) -> float:
    value = configuration[name]
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 < value <= 64:
        raise ExportError(
            f"{where}: {name} = {value!r} is not allowed; a number above 0, at most 64"
        )
    return float(value)


def _square(configuration: Configuration, name: str, where: str) -> int:
    """Return a side, which may be given as a pair of equal height and width."""
    value = configuration[name]
    sides = value if isinstance(value, list | tuple) and len(value) == 2 else [value]
    if any(type(side) is not int for side in sides) or len(set(sides)) != 1:
        raise ExportError(
            f"{where}: {name} = {value!r} is not allowed; one integer, or twice the same"
        )
    return int(sides[0])
