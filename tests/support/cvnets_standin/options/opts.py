"""The options that models use, with the original defaults, overridden by a configuration."""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import yaml

DEFAULTS: dict[str, Any] = {
    "common.config_file": None,
    "dataset.category": "classification",
    "model.activation.name": "relu",
    "model.classification.activation.name": None,
    "model.classification.classifier_dropout": 0.0,
    "model.classification.n_classes": 1000,
    "model.classification.name": None,
    "model.layer.global_pool": "mean",
    "model.normalization.momentum": 0.1,
    "model.normalization.name": "batch_norm",
    **{
        f"model.classification.{prefix}.{name}": 0.0
        for prefix in ("mit", "mitv2")
        for name in ("dropout", "ffn_dropout", "attn_dropout")
    },
}


def get_training_arguments(
    parse_args: bool = True, args: list[str] | None = None
) -> argparse.Namespace:
    opts = argparse.Namespace(**DEFAULTS)
    assert args
    assert args[0] == "--common.config-file"
    with open(args[1], encoding="utf-8") as file:
        for name, value in flatten(yaml.safe_load(file)).items():
            if hasattr(opts, name):
                setattr(opts, name, value)
            elif name.startswith("model.classification") and "local_" not in name:
                warnings.warn(
                    f"Yaml config key '{name}' was not recognized by argparser.", stacklevel=1
                )
    return opts


def flatten(data: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in data.items():
        found |= (
            flatten(value, f"{prefix}{key}.")
            if isinstance(value, dict)
            else {f"{prefix}{key}": value}
        )
    return found
