"""Forward of the inverted residual (see ``ops.py`` for its lowering)."""

from __future__ import annotations

from torch import Tensor, nn

from mvt_nas.blocks.layers import conv_norm
from mvt_nas.space.widths import hidden_width


class InvertedResidual(nn.Module):
    """1 x 1 expansion, 3 x 3 depthwise, 1 x 1 projection without activation; the input is added where shapes allow.

    Source: MobileNetV2, arXiv 1801.04381.
    """

    def __init__(self, in_channels: int, out_channels: int, *, stride: int, expansion: float, dilation: int = 1) -> None:
        super().__init__()
        hidden = hidden_width(expansion, in_channels)
        self.expand = conv_norm(in_channels, hidden) if expansion != 1 else nn.Identity()
        self.depthwise = conv_norm(hidden, hidden, 3, stride=stride, groups=hidden, dilation=dilation)
        self.project = conv_norm(hidden, out_channels, activation="linear")
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, out_channels, H/stride, W/stride)."""
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y
