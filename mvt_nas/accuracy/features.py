"""Input features of the surrogate: sums over a network's kernels, their logarithms and ratios.

Every feature is a reduction over the lowered network. So it is the same for one architecture and
for 100,000 rows of a cost table, is defined for every space, and equal networks have equal features
whatever space they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph, Op, Size
from mvt_nas.cost.reductions import KernelCost
from mvt_nas.cost.table import CostTable
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.search_space import SearchSpace

# Each is the sum of a value over the kernels that satisfy a condition: name -> (value, condition).
_SUMS: dict[str, tuple[Callable[[Op], Size], Callable[[Op], bool]]] = {
    "params": (lambda op: op.params, lambda op: True),
    "macs": (lambda op: op.macs, lambda op: True),
    "layers": (lambda op: 1, lambda op: op.kind in ("conv", "linear")),
    "outputs": (lambda op: op.output.elements, lambda op: op.kind in ("conv", "linear")),
    "macs between channels": (
        lambda op: op.macs,
        lambda op: op.kind == "linear" or (op.kind == "conv" and op.kernel == 1),
    ),
    "macs of pointwise convolutions": (
        lambda op: op.macs,
        lambda op: op.kind == "conv" and op.kernel == 1,
    ),
    "macs of spatial convolutions": (lambda op: op.macs, lambda op: _spatial(op)),
    "depthwise convolutions": (lambda op: 1, lambda op: _depthwise(op)),
    "log channels of depthwise convolutions": (
        lambda op: np.log(op.output.shape[1]),
        lambda op: _depthwise(op),
    ),
    "log channels of convolutions": (lambda op: np.log(op.output.shape[1]), lambda op: _mixing(op)),
    "mixing convolutions": (lambda op: 1, lambda op: _mixing(op)),
    "expansions": (
        lambda op: _positive(np.log(op.output.shape[1] / op.inputs[0].shape[1])),
        lambda op: _mixing(op),
    ),
    "squeezes": (
        lambda op: _positive(np.log(op.inputs[0].shape[1] / op.output.shape[1])),
        lambda op: _mixing(op),
    ),
    "log channels of the stem": (
        lambda op: np.log(op.output.shape[1]),
        lambda op: op.scope == "stem" and op.kind == "conv",
    ),
    "multi-head layers": (
        lambda op: 1,
        lambda op: op.kind == "softmax" and len(op.output.shape) == 3,
    ),
    "separable layers": (
        lambda op: 1,
        lambda op: op.kind == "softmax" and len(op.output.shape) == 4,
    ),
    "attention products": (
        lambda op: op.output.elements,
        lambda op: op.kind in ("matmul", "softmax"),
    ),
    "fusions": (lambda op: 1, lambda op: op.kind == "concat"),
    "skips": (lambda op: 1, lambda op: op.name == "skip"),
    "residuals": (lambda op: 1, lambda op: op.name == "residual"),
    "unfolds": (lambda op: op.output.elements, lambda op: op.kind == "unfold"),
    "tokens": (lambda op: op.output.elements, lambda op: op.kind == "norm"),
}

LOGARITHMS = ("params", "macs", "macs between channels", "layers", "outputs")
"""Sums whose logarithm is a feature."""

MEANS = {
    "macs of pointwise convolutions": "macs",
    "macs of spatial convolutions": "macs",
    "log channels of depthwise convolutions": "depthwise convolutions",
    "log channels of convolutions": "mixing convolutions",
    "expansions": "mixing convolutions",
    "squeezes": "mixing convolutions",
}
"""Sums whose ratio to another sum is a feature."""

PLAIN = ("log channels of the stem",)
"""Sums that are features without a transformation."""

FEATURES = (
    *(f"log {name}" for name in LOGARITHMS),
    *MEANS,
    *PLAIN,
    *(name for name in _SUMS if name not in (*LOGARITHMS, *MEANS, *PLAIN)),
)
"""Names of the features; all that are no logarithm, mean or plain sum are log(1 + sum)."""


def _spatial(op: Op) -> bool:
    return op.kind == "conv" and op.kernel > 1 and not op.name.startswith("depthwise")


def _depthwise(op: Op) -> bool:
    return op.name.startswith("depthwise")


def _mixing(op: Op) -> bool:
    return op.kind == "conv" and not op.name.startswith("depthwise")


def _positive(value: Size) -> Size:
    return value * (value > 0)


def folds() -> list[KernelCost]:
    """Return the sums as reductions for cost tables."""
    return [KernelCost(f"feature: {name}", partial(_sum, name)) for name in _SUMS]


def features(architectures: Sequence[Architecture], *, num_classes: int) -> FloatArray:
    """Return the features (n, features) of architectures at their own resolution."""
    graphs = [lower(architecture, num_classes=num_classes) for architecture in architectures]
    return _features(
        {name: np.array([float(_sum(name, graph)) for graph in graphs]) for name in _SUMS}
    )


class FeatureTable:
    """Features of encoded architectures at their own resolution, over 100,000 per second.

    Args:
        space: Space of the rows; see ``accuracy/predicted.py`` for a space that is trained at
            another resolution than it is searched.
        num_classes: Number of outputs of the classifier.
    """

    def __init__(self, space: SearchSpace, *, num_classes: int) -> None:
        self._table = CostTable(space, num_classes=num_classes, kernel_costs=folds())

    def features(self, rows: ArrayLike) -> FloatArray:
        """Return the features (n, features) of rows (n, dimensions)."""
        costs = self._table.costs(rows)
        return _features(
            {name: np.asarray(costs[f"feature: {name}"], dtype=float) for name in _SUMS}
        )


def _sum(name: str, graph: Graph) -> Size:
    value, holds = _SUMS[name]
    result: Size = 0
    for op in graph.ops:
        if holds(op):
            result = result + value(op)
    return result


def _features(sums: dict[str, FloatArray]) -> FloatArray:
    columns = []
    for name in FEATURES:
        if name in MEANS:
            columns.append(sums[name] / np.maximum(sums[MEANS[name]], 1e-9))
        elif name in PLAIN:
            columns.append(sums[name])
        elif name.startswith("log "):
            columns.append(np.log(np.maximum(sums[name.removeprefix("log ")], 1.0)))
        else:
            columns.append(np.log1p(sums[name]))
    return np.column_stack(columns)
