"""Lowering of the DeepLabv3 head: the kernels that ``module.py`` executes.

Source: arXiv 1706.05587, Section 3.3: a 1 x 1 convolution, three dilated 3 x 3 ones and the mean of
the map in parallel, then two 1 x 1 convolutions.
"""

from __future__ import annotations

from collections.abc import Sequence

from mvt_nas.blocks.graph import Graph, Tensor
from mvt_nas.tasks.base import HEADS, Head
from mvt_nas.tasks.segmentation.config import Segmentation

RATES = (1, 2, 3)
"""Dilations of the pyramid's 3 x 3 convolutions, in units of the task's ``rate``."""


def _taps(reductions: Sequence[int]) -> tuple[int, ...]:
    return (len(reductions) - 1,)


def _lower(graph: Graph, maps: Sequence[Tensor], task: Segmentation) -> tuple[Tensor, ...]:
    (x,) = maps
    graph.scope = "head.pyramid"
    width = task.pyramid_width
    side = x.shape[2]
    branches = [graph.activation(graph.conv(x, width, norm=True), "relu")]
    for times in RATES:
        y = graph.conv(x, width, 3, dilation=task.rate * times, norm=True)
        branches.append(graph.activation(y, "relu"))
    mean = graph.mean(x)
    pooled = graph.activation(
        graph.conv(graph.view(mean, *mean.shape, 1, 1), width, norm=True), "relu"
    )
    y = graph.concat(*branches, graph.resize(pooled, side, side))
    y = graph.activation(graph.conv(y, width, norm=True), "relu")
    graph.scope = "head.classes"
    y = graph.conv(y, task.num_classes, bias=True)
    return (graph.resize(y, task.resolution_px, task.resolution_px),)


_DESCRIPTIONS = {
    "pyramid": "1x1, three dilated 3x3 and the mean, together",
    "classes": "classes of all pixels, at the size of the image",
}
HEADS.register("segmentation")(Head(_taps, _lower, _DESCRIPTIONS))
