"""The layers that all blocks and heads are made of.

The forward of each block, by the block's name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mvt_nas.registry import Registry

_ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "relu": nn.ReLU}


def conv_norm(
    in_channels: int,
    out_channels: int,
    kernel: int = 1,
    *,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
    activation: str = "silu",
) -> nn.Sequential:
    """Return a "same"-padded convolution, batch norm and, unless ``activation`` is ``"linear"``, SiLU or ReLU."""
    padding = (kernel - 1) // 2 * dilation
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    if activation in _ACTIVATIONS:
        layers.append(_ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


def copy(x: Tensor) -> Tensor:
    """Return ``x`` in contiguous memory of its own, so that the copy is a kernel wherever the lowering has one."""
    return x.clone(memory_format=torch.contiguous_format)


MODULES: Registry[Callable[[int, Any, float], nn.Module]] = Registry(
    "block module", "mvt_nas.blocks", suffix="module"
)
"""``(width, config, dropout) -> nn.Module`` that maps (B, width, H, W) to (B, width, H', W')."""
