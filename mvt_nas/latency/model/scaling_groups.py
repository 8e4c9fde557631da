"""Ways to scale a donor's coefficients by few factors, for devices of which only the times of whole networks are known.

Two devices differ in how fast they compute, move data and start kernels; by and large all kernels
feel that alike. So ten networks are enough for seven factors where they would not be for a hundred
coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.blocks.graph import Graph
from mvt_nas.latency.model.kernels import CLASSES, GROUPS, kernels, term
from mvt_nas.latency.model.predictor import Coefficients

_GROUP_OF = {kind: name for name, members in GROUPS.items() for kind in members}
_TRAFFIC = {
    "linear": "traffic of tokens",
    "attention": "traffic of tokens",
    "elementwise": "traffic between",
    "norm": "traffic between",
}


@dataclass(frozen=True, slots=True)
class ScalingGroups:
    """Which coefficients have their factor in common.

    Attributes:
        name: of the partition.
        factors: names of the factors.
        factor: ``(class, term) -> name of its factor``.
    """

    name: str
    factors: tuple[str, ...]
    factor: Callable[[str, str], str]

    def times(self, graph: Graph, coefficients: Coefficients) -> NDArray[np.float64]:
        """Return the milliseconds of a network by factor, then a 1 for what is fixed, (factors + 1,)."""
        sums = dict.fromkeys(self.factors, 0.0)
        for kernel in kernels(graph.ops):
            for name, value in coefficients.get(kernel.kind, {}).items():
                sums[self.factor(kernel.kind, name)] += value * float(term(name, kernel))
        return np.array([*sums.values(), 1.0])

    def scaled(
        self, coefficients: Coefficients, factors: dict[str, float]
    ) -> dict[str, dict[str, float]]:
        """Return the coefficients times their factors; what becomes 0 is left out."""
        result = {}
        for kind, terms in coefficients.items():
            scaled = {
                name: value * factors[self.factor(kind, name)] for name, value in terms.items()
            }
            result[kind] = {name: value for name, value in scaled.items() if value > 0}
        return {kind: terms for kind, terms in result.items() if terms}


# Runtimes differ most in how they execute what separable attention adds to convolutions.
_SEPARABLE = ("group_norm", "softmax_separable", "mul", "sum", "relu")


def _by_resource(kind: str, name: str) -> str:
    if name == "calls":
        return "calls"
    if kind in _SEPARABLE:
        return "separable attention"
    if name in ("macs", "idle_macs"):
        return "compute"
    return (
        "layout" if kind in GROUPS["layout"] else _TRAFFIC.get(_GROUP_OF[kind], "traffic of maps")
    )


BY_RESOURCE = ScalingGroups(
    "by resource",
    (
        "compute",
        "traffic of maps",
        "traffic of tokens",
        "traffic between",
        "separable attention",
        "layout",
        "calls",
    ),
    _by_resource,
)
"""A factor for each thing that a device has more or less of: arithmetic, bandwidth for each kind of
data, quick starts."""

BY_GROUP = ScalingGroups(
    "by group",
    (*GROUPS, "calls"),
    lambda kind, name: "calls" if name == "calls" else _GROUP_OF[kind],
)
"""A factor for each group of classes, and one for the fixed cost per call."""

BY_CLASS = ScalingGroups(
    "by class", (*CLASSES, "calls"), lambda kind, name: "calls" if name == "calls" else kind
)
"""A factor for each class, and one for the fixed cost per call."""

PARTITIONS = (BY_RESOURCE, BY_GROUP, BY_CLASS)
