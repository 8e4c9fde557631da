"""Lowering of the SSDLite head: the kernels that ``module.py`` executes.

Source: arXiv 1512.02325, Section 2.1, with the separable convolutions of 1801.04381, Section 6.2.
"""

from __future__ import annotations

from collections.abc import Sequence

from mvt_nas.blocks.graph import Graph, Size, Tensor
from mvt_nas.errors import ArchitectureError
from mvt_nas.tasks.base import HEADS, Head
from mvt_nas.tasks.detection.config import Detection
from mvt_nas.tasks.detection.feature_maps import (
    COORDINATES,
    POOLED,
    PROJECTED,
    SMALLER,
    boxes_per_position,
)


def _taps(reductions: Sequence[int]) -> tuple[int, ...]:
    """Return the last stage at half of the last map's reduction, and the last stage."""
    half = reductions[-1] // 2
    if half not in reductions:
        raise ArchitectureError(
            "task detection: a stage of stride 2 behind another stage is needed; all maps are"
            f" 1/{half * 2} of the image"
        )
    last = len(reductions) - 1
    # index() finds the first, so the last one is found from behind.
    return last - list(reversed(reductions)).index(half), last


def _lower(graph: Graph, maps: Sequence[Tensor], task: Detection) -> tuple[Tensor, ...]:
    outputs = [_boxes(graph, x, level, PROJECTED[level], task) for level, x in enumerate(maps)]
    x = maps[-1]
    for level, width in enumerate(SMALLER, start=len(outputs)):
        graph.scope = f"head.map{level + 1}"
        x = graph.activation(_separable_conv(graph, x, width, stride=2), "relu")
        outputs.append(_boxes(graph, x, level, width, task))
    graph.scope = f"head.map{len(outputs) + 1}"
    mean = graph.mean(x)
    x = graph.activation(graph.conv(graph.view(mean, *mean.shape, 1, 1), POOLED), "relu")
    outputs.append(_boxes(graph, x, len(outputs), None, task))
    graph.scope = "head.all"
    boxes = graph.concat(*outputs)
    parts = (task.num_classes + 1, COORDINATES)
    return tuple(graph.view(boxes, *boxes.shape[:2], part) for part in parts)


def _boxes(graph: Graph, x: Tensor, level: int, width: int | None, task: Detection) -> Tensor:
    """Append the predictor of one map's boxes; return (B, boxes, coordinates + classes).

    Without a ``width`` the map has one position, and a 1 x 1 convolution is enough.
    """
    graph.scope = f"head.boxes{level + 1}"
    each = COORDINATES + task.num_classes + 1
    channels = boxes_per_position(level) * each
    if width is None:
        x = graph.conv(x, channels, bias=True)
    else:
        if level < len(PROJECTED):
            x = graph.activation(graph.conv(x, width, norm=True), "relu")
        x = graph.conv(x, width, 3, depthwise=True, norm=True)
        x = graph.conv(x, channels, bias=True)
    batch, _, rows, columns = x.shape
    x = graph.transpose(x, batch, rows, columns, channels)
    return graph.view(x, batch, rows * columns * boxes_per_position(level), each)


def _separable_conv(graph: Graph, x: Tensor, width: Size, *, stride: int) -> Tensor:
    """Append a separable convolution, whose depthwise half has the stride."""
    x = graph.conv(x, x.shape[1], 3, stride=stride, depthwise=True, norm=True)
    return graph.conv(x, width, norm=True)


_DESCRIPTIONS = {
    "map": "a map of half the size; the last is the mean",
    "boxes": "classes and boxes at every position of a map",
    "all": "all boxes in one list",
}
HEADS.register("detection")(Head(_taps, _lower, _DESCRIPTIONS))
