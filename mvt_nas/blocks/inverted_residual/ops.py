"""Lowering of the inverted residual (kernel by kernel what ``module.py`` executes).

Source: MobileNetV2, arXiv 1801.04381, as used in 2110.02178 §3.
"""

from __future__ import annotations

from mvt_nas.blocks.graph import Graph, Size, Tensor


def lower_inverted_residual(graph: Graph, x: Tensor, *, width: Size, hidden: Size, stride: int, expands: bool, adds: bool) -> Tensor:
    """Append one inverted residual and return its output, (B, width, H/stride, W/stride).

    Args:
        graph: where the kernels go.
        x: input, (B, C, H, W).
        width: output channels.
        hidden: channels between the 1 x 1 convolutions.
        stride: of the depthwise convolution.
        expands: whether the first 1 x 1 convolution exists (expansion other than 1).
        adds: whether the input is added to the output.
    """
    y = x
    if expands:
        y = graph.activation(graph.conv(y, hidden, norm=True))
    y = graph.activation(graph.conv(y, hidden, 3, stride=stride, depthwise=True, norm=True))
    y = graph.conv(y, width, norm=True)
    return graph.add(x, y, "skip") if adds else y
