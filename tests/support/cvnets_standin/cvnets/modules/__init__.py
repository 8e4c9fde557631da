from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from cvnets.layers import ConvLayer2d
from cvnets.modules.base_module import BaseModule
from cvnets.modules.mobilevit_block import MobileViTBlock, MobileViTBlockv2
from cvnets.modules.transformer import TransformerEncoder

__all__ = [
    "BaseModule",
    "InvertedResidual",
    "MobileViTBlock",
    "MobileViTBlockv2",
    "TransformerEncoder",
]


def make_divisible(value: float, divisor: int = 8) -> int:
    found = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return found + divisor if found < 0.9 * value else found


class InvertedResidual(BaseModule):
    def __init__(
        self,
        opts: Any,
        in_channels: int,
        out_channels: int,
        stride: int,
        expand_ratio: float,
        dilation: int = 1,
        skip_connection: bool = True,
    ) -> None:
        super().__init__()
        assert stride in (1, 2)
        hidden = make_divisible(round(in_channels * expand_ratio), 8)
        self.block = nn.Sequential()
        if expand_ratio != 1:
            self.block.add_module("exp_1x1", ConvLayer2d(opts, in_channels, hidden, kernel_size=1))
        depthwise = ConvLayer2d(
            opts, hidden, hidden, stride=stride, kernel_size=3, groups=hidden, dilation=dilation
        )
        self.block.add_module("conv_3x3", depthwise)
        self.block.add_module(
            "red_1x1", ConvLayer2d(opts, hidden, out_channels, kernel_size=1, use_act=False)
        )
        self.adds = stride == 1 and in_channels == out_channels and skip_connection

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        y: Tensor = self.block(x)
        return x + y if self.adds else y
