"""Layers that all blocks and heads share, and the registry of the blocks' modules."""

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
    """Return a "same"-padded convolution with batch norm and activation.

    Args:
        in_channels: Input channels.
        out_channels: Output channels.
        kernel: Side of the window.
        stride: Step of the window.
        groups: Channel groups of the convolution.
        dilation: Distance between neighbouring elements of the window.
        activation: ``"silu"``, ``"relu"``, or ``"linear"`` for none.
    """
    padding = (kernel - 1) // 2 * dilation
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    if activation in _ACTIVATIONS:
        layers.append(_ACTIVATIONS[activation]())
    return nn.Sequential(*layers)


def copy(x: Tensor) -> Tensor:
    """Return a copy of ``x`` in contiguous memory.

    The copy is always made, so that the network runs a kernel wherever the lowering lists one.
    """
    return x.clone(memory_format=torch.contiguous_format)


MODULES: Registry[Callable[[int, Any, float], nn.Module]] = Registry(
    "block module", "mvt_nas.blocks", suffix="module"
)
"""Constructor of each block's module, by the block's name: ``(width, config, dropout) ->
nn.Module``, which maps (B, width, H, W) to (B, width, H', W')."""
