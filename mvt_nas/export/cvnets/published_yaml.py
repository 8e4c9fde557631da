"""Architectures of published YAML files of ml-cvnets and of MobileViTv3's fork of it.

Such a YAML names a model and a few choices for all its stages. Widths and depths are in Python
files of the project, and are taken to be as published.

Source: the options of tag cvnets-v0.4 and of micronDLA/MobileViTv3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ExportError, listing
from mvt_nas.export.published_configs import MobileViTV2Config, mobilevit_v2, with_blocks
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo

Settings = Mapping[str, Any]
"""Settings by their full names, such as ``model.classification.name``."""

MODELS = ("mobilevit", "mobilevit_v2", "mobilevit_v3")
"""Names of the models in ml-cvnets."""

_CLASSIFICATION = "model.classification"
_MIT = f"{_CLASSIFICATION}.mit"
_MODES = {
    "mobilevit": {"xx_small": "mobilevit_xxs", "x_small": "mobilevit_xs", "small": "mobilevit_s"},
    "mobilevit_v3": {
        "xx_small_v3": "mobilevitv3_xxs",
        "xx_small_v3_fast": "mobilevitv3_xxs_l2",
        "x_small_v3": "mobilevitv3_xs",
        "x_small_v3_fast": "mobilevitv3_xs_l2",
        "small_v3": "mobilevitv3_s",
        "small_v3_fast": "mobilevitv3_s_l2",
    },
}
"""Our names of published models, by the setting ``mit.mode``."""

_SAMPLERS = {"batch_sampler": "bs", "variable_batch_sampler": "vbs", "multi_scale_sampler": "msc"}
_PUBLISHED_PX = 256


@dataclass(frozen=True, slots=True)
class _FixedSetting:
    """A setting that is the same in all networks of this package.

    Attributes:
        name: Full name of the setting.
        default: Value that ml-cvnets uses if the setting is absent.
        allowed: Allowed values.
    """

    name: str
    default: str
    allowed: tuple[str, ...]


_FIXED = (
    _FixedSetting("dataset.category", "classification", ("classification",)),
    _FixedSetting(
        "model.normalization.name",
        "batch_norm",
        (
            "batch_norm",
            "batch_norm_2d",
            "sync_batch_norm",
            "batch_norm_fp32",
            "sync_batch_norm_fp32",
        ),
    ),
    _FixedSetting("model.layer.global_pool", "mean", ("mean",)),
    _FixedSetting(
        f"{_MIT}.transformer_norm_layer", "layer_norm", ("layer_norm", "layer_norm_fp32")
    ),
    _FixedSetting(
        f"{_CLASSIFICATION}.mitv2.attn_norm_layer",
        "layer_norm_2d",
        ("layer_norm_2d", "layer_norm_nchw"),
    ),
    _FixedSetting(
        f"{_CLASSIFICATION}.mitv3.attn_norm_layer",
        "layer_norm_2d",
        ("layer_norm_2d", "layer_norm_nchw"),
    ),
)


def published_architecture(settings: Settings, path: Path) -> Architecture:
    """Return the architecture that published settings describe.

    Args:
        settings: The settings; the model's name is one of :data:`MODELS`.
        path: Path of the YAML, for messages.

    Raises:
        ExportError: A setting is not allowed in networks of this package.
        ArchitectureError: A number is not allowed.
    """
    _check_fixed(settings, path)
    name = settings[f"{_CLASSIFICATION}.name"]
    resolution_px = _resolution_px(settings, path)
    # The fork has two kinds of MobileViTv3: one based on v1, and one on v2 with the group mitv3.
    v3_on_v2 = name == "mobilevit_v3" and any(
        key.startswith(f"{_CLASSIFICATION}.mitv3.") for key in settings
    )
    if name == "mobilevit_v2" or v3_on_v2:
        group = "mitv3" if v3_on_v2 else "mitv2"
        multiplier = _number(settings, f"{_CLASSIFICATION}.{group}.width_multiplier", 1.0, path)
        return mobilevit_v2(MobileViTV2Config(resolution_px, multiplier), v3=v3_on_v2)
    return replace(_mobilevit_v1(settings, str(name), path), resolution_px=resolution_px)


def _mobilevit_v1(settings: Settings, name: str, path: Path) -> Architecture:
    """Return a MobileViT, or a MobileViTv3 that is based on it."""
    modes = _MODES[name]
    mode = settings.get(f"{_MIT}.mode", "small" if name == "mobilevit" else "small_v3")
    if not isinstance(mode, str) or mode.lower() not in modes:
        raise ExportError(
            f"{path}: {_MIT}.mode = {mode!r} is not known for {name}; one of {listing(modes)}"
        )
    architecture = _with_heads(zoo(modes[mode.lower()]), settings, path)
    kernel = _integer(settings, f"{_MIT}.conv_kernel_size", 3, path)
    changes: dict[str, object] = {"local_kernel": kernel}
    if name == "mobilevit":  # v3 fuses with a kernel of 1
        changes["fusion_kernel"] = kernel
    if settings.get(f"{_MIT}.no_fuse_local_global_features"):
        return with_blocks(with_blocks(architecture, changes), {"fusion": "none"})
    return with_blocks(architecture, changes)


def _with_heads(architecture: Architecture, settings: Settings, path: Path) -> Architecture:
    """Return the architecture with the number of heads, which may be given by their size."""
    heads = settings.get(f"{_MIT}.number_heads")
    size = settings.get(f"{_MIT}.head_dim")
    if size is None:
        return with_blocks(
            architecture, {"heads": _integer(settings, f"{_MIT}.number_heads", 4, path)}
        )
    if heads is not None:
        raise ExportError(
            f"{path}: {_MIT}.head_dim = {size} and number_heads = {heads}; ml-cvnets allows one of"
            " them"
        )
    size = _integer(settings, f"{_MIT}.head_dim", 0, path)
    blocks = [stage.block for stage in architecture.stages if isinstance(stage.block, MobileViT)]
    if size < 1 or any(block.dim % size for block in blocks):
        raise ExportError(
            f"{path}: {_MIT}.head_dim = {size}; a divisor of"
            f" {listing(block.dim for block in blocks)}"
        )
    stages = []
    for stage in architecture.stages:
        if isinstance(stage.block, MobileViT):
            block = replace(stage.block, heads=stage.block.dim // size)
            stage = replace(stage, block=block)
        stages.append(stage)
    return replace(architecture, stages=tuple(stages))


def _check_fixed(settings: Settings, path: Path) -> None:
    """Refuse settings that no network of this package can have."""
    name = f"{_CLASSIFICATION}.activation.name"
    activation = settings.get(name) or settings.get("model.activation.name")
    if activation is None:
        raise ExportError(
            f"{path}: {name} is not given, and ml-cvnets' default is relu; swish is allowed"
        )
    if activation != "swish":
        raise ExportError(f"{path}: {name} is {activation!r}; swish is allowed")
    for fixed in _FIXED:
        value = settings.get(fixed.name, fixed.default)
        if value not in fixed.allowed:
            raise ExportError(
                f"{path}: {fixed.name} = {value!r} is not allowed; {listing(fixed.allowed)}"
            )


def _resolution_px(settings: Settings, path: Path) -> int:
    """Return the side of the images, from the settings of the sampler that is used."""
    sampler = str(settings.get("sampler.name", "")).removesuffix("_ddp")
    prefix = f"sampler.{_SAMPLERS.get(sampler, 'bs')}.crop_size"
    height = _integer(settings, f"{prefix}_height", _PUBLISHED_PX, path)
    width = _integer(settings, f"{prefix}_width", _PUBLISHED_PX, path)
    if height != width:
        raise ExportError(
            f"{path}: {prefix}_height = {height}, but {prefix}_width = {width}; images have to be"
            " square"
        )
    return height


def _integer(settings: Settings, name: str, default: int, path: Path) -> int:
    value = settings.get(name)
    if value is None:
        return default
    if type(value) is not int:
        raise ExportError(f"{path}: {name} = {value!r} is not allowed; an integer")
    return value


def _number(settings: Settings, name: str, default: float, path: Path) -> float:
    value = settings.get(name, default)
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 < value <= 16:
        raise ExportError(
            f"{path}: {name} = {value!r} is not allowed; a number above 0, at most 16"
        )
    return float(value)
