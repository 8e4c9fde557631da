"""The convolution layer that all blocks are made of."""

from __future__ import annotations

from torch import nn


def conv_norm(
    in_channels: int, out_channels: int, kernel: int = 1, *, stride: int = 1, groups: int = 1, activation: str = "silu"
) -> nn.Sequential:
    """Return a "same"-padded convolution, batch norm and, unless ``activation`` is ``"linear"``, SiLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=(kernel - 1) // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    if activation == "silu":
        layers.append(nn.SiLU())
    return nn.Sequential(*layers)
