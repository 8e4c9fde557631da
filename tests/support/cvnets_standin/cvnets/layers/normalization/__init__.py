from __future__ import annotations

from typing import Any

from torch import nn

from cvnets.layers.normalization.layer_norm import LayerNorm, LayerNorm2D_NCHW


def get_normalization_layer(
    opts: Any, num_features: int, norm_type: str | None = None
) -> nn.Module:
    norm_type = norm_type or getattr(opts, "model.normalization.name")
    if norm_type == "batch_norm_2d":
        return nn.BatchNorm2d(
            num_features, eps=1e-5, momentum=getattr(opts, "model.normalization.momentum")
        )
    return {"layer_norm": LayerNorm, "layer_norm_2d": LayerNorm2D_NCHW}[norm_type](num_features)
