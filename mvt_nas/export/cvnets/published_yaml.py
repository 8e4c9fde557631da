"""The architecture that a stock configuration of ml-cvnets, or of MobileViTv3's fork of it, stands for.

Such a YAML names a model and a few choices for all its stages; widths and depths are in Python
files of the project, and are taken to be as published. Source: the options of tag cvnets-v0.4 and
of micronDLA/MobileViTv3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.errors import ExportError, listing
from mvt_nas.export.published_configs import MobileViTV2Config, second_family, with_blocks
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import zoo

Settings = Mapping[str, Any]
"""Settings by their whole name, such as ``model.classification.name``."""

_CLASSIFICATION = "model.classification"
_MODES = {
    "mobilevit": {"xx_small": "mobilevit_xxs", "x_small": "mobilevit_xs", "small": "mobilevit_s"},
    "mobilevit_v3": {
        f"{size}_v3{fast}": f"mobilevitv3_{short}{'_l2' if fast else ''}"
        for size, short in (("xx_small", "xxs"), ("x_small", "xs"), ("small", "s"))
        for fast in ("", "_fast")
    },
}
_SAMPLERS = {"batch_sampler": "bs", "variable_batch_sampler": "vbs", "multi_scale_sampler": "msc"}
_PUBLISHED_PX = 256
# What all networks here have: the setting, what ml-cvnets takes where it is not given, what is
# allowed.
_FIXED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("dataset.category", "classification", ("classification",)),
    (
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
    ("model.layer.global_pool", "mean", ("mean",)),
    (
        f"{_CLASSIFICATION}.mit.transformer_norm_layer",
        "layer_norm",
        ("layer_norm", "layer_norm_fp32"),
    ),
    (
        f"{_CLASSIFICATION}.mitv2.attn_norm_layer",
        "layer_norm_2d",
        ("layer_norm_2d", "layer_norm_nchw"),
    ),
    (
        f"{_CLASSIFICATION}.mitv3.attn_norm_layer",
        "layer_norm_2d",
        ("layer_norm_2d", "layer_norm_nchw"),
    ),
)
MODELS = ("mobilevit", "mobilevit_v2", "mobilevit_v3")


def stock_architecture(settings: Settings, path: Path) -> Architecture:
    """Return the architecture; ``path`` begins the messages.

    Raises:
        ExportError: a setting that no network here can have.
        ArchitectureError: a number that is not allowed.
    """
    _check_fixed(settings, path)
    name = settings[f"{_CLASSIFICATION}.name"]
    second = (
        "mitv3"
        if name == "mobilevit_v3"
        and any(key.startswith(f"{_CLASSIFICATION}.mitv3.") for key in settings)
        else "mitv2"
    )
    if name == "mobilevit_v2" or second == "mitv3":
        times = _number(settings, f"{_CLASSIFICATION}.{second}.width_multiplier", 1.0, path)
        return second_family(
            MobileViTV2Config(_resolution_px(settings, path), times), third=second == "mitv3"
        )
    return replace(
        _first_family(settings, str(name), path), resolution_px=_resolution_px(settings, path)
    )


def _first_family(settings: Settings, name: str, path: Path) -> Architecture:
    modes = _MODES[name]
    mode = settings.get(
        f"{_CLASSIFICATION}.mit.mode", "small" if name == "mobilevit" else "small_v3"
    )
    if not isinstance(mode, str) or mode.lower() not in modes:
        raise ExportError(
            f"{path}: {_CLASSIFICATION}.mit.mode = {mode!r} is not known for {name}; one of"
            f" {listing(modes)}"
        )
    architecture = _with_heads(zoo(modes[mode.lower()]), settings, path)
    kernel = _whole(settings, f"{_CLASSIFICATION}.mit.conv_kernel_size", 3, path)
    architecture = with_blocks(
        architecture,
        {"local_kernel": kernel} | ({"fusion_kernel": kernel} if name == "mobilevit" else {}),
    )
    if settings.get(f"{_CLASSIFICATION}.mit.no_fuse_local_global_features"):
        return with_blocks(architecture, {"fusion": "none"})
    return architecture


def _with_heads(architecture: Architecture, settings: Settings, path: Path) -> Architecture:
    heads, size = (
        settings.get(f"{_CLASSIFICATION}.mit.{setting}") for setting in ("number_heads", "head_dim")
    )
    if size is None:
        return with_blocks(
            architecture,
            {"heads": _whole(settings, f"{_CLASSIFICATION}.mit.number_heads", 4, path)},
        )
    if heads is not None:
        raise ExportError(
            f"{path}: {_CLASSIFICATION}.mit.head_dim = {size} and number_heads = {heads}; ml-cvnets"
            " allows one of them"
        )
    size = _whole(settings, f"{_CLASSIFICATION}.mit.head_dim", 0, path)
    blocks = [stage.block for stage in architecture.stages if isinstance(stage.block, MobileViT)]
    if size < 1 or any(block.dim % size for block in blocks):
        raise ExportError(
            f"{path}: {_CLASSIFICATION}.mit.head_dim = {size}; a divisor of"
            f" {listing(block.dim for block in blocks)}"
        )
    stages = (
        (
            replace(stage, block=replace(stage.block, heads=stage.block.dim // size))
            if isinstance(stage.block, MobileViT)
            else stage
        )
        for stage in architecture.stages
    )
    return replace(architecture, stages=tuple(stages))


def _check_fixed(settings: Settings, path: Path) -> None:
    name = f"{_CLASSIFICATION}.activation.name"
    activation = settings.get(name) or settings.get("model.activation.name")
    if activation != "swish":
        stated = (
            "not given, and ml-cvnets' default is relu" if activation is None else f"{activation!r}"
        )
        raise ExportError(f"{path}: {name} is {stated}; swish is allowed")
    for setting, default, allowed in _FIXED:
        found = settings.get(setting, default)
        if found not in allowed:
            raise ExportError(f"{path}: {setting} = {found!r} is not allowed; {listing(allowed)}")


def _resolution_px(settings: Settings, path: Path) -> int:
    sampler = str(settings.get("sampler.name", "")).removesuffix("_ddp")
    prefix = f"sampler.{_SAMPLERS.get(sampler, 'bs')}.crop_size"
    height, width = (
        _whole(settings, f"{prefix}_{axis}", _PUBLISHED_PX, path) for axis in ("height", "width")
    )
    if height != width:
        raise ExportError(
            f"{path}: {prefix}_height = {height}, but {prefix}_width = {width}; images have to be"
            " square"
        )
    return height


def _whole(settings: Settings, name: str, default: int, path: Path) -> int:
    found = settings.get(name)
    found = default if found is None else found
    if type(found) is not int:
        raise ExportError(f"{path}: {name} = {found!r} is not allowed; an integer")
    return found


def _number(settings: Settings, name: str, default: float, path: Path) -> float:
    found = settings.get(name, default)
    if type(found) not in (int, float) or not math.isfinite(found) or not 0 < found <= 16:
        raise ExportError(
            f"{path}: {name} = {found!r} is not allowed; a number above 0, at most 16"
        )
    return float(found)
