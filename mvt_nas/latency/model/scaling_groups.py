"""Groups of coefficients that share a scale factor, for devices with whole-network times only.

Two devices differ in how fast they compute, move data and start kernels, and all kernels are
affected about equally. So ten networks are enough for the seven factors of :data:`BY_RESOURCE`,
though not for a hundred coefficients.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray
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
    """A partition of the coefficients into groups with a common factor.

    Attributes:
        name: Name of the partition.
        factors: Names of the factors.
        factor: ``(class, term) -> name of its factor``.
    """

    name: str
    factors: tuple[str, ...]
    factor: Callable[[str, str], str]

    def times(self, graph: Graph, coefficients: Coefficients) -> FloatArray:
        """Return a network's milliseconds by factor, then a 1 for the fixed time, (factors + 1,).

        The product with the factors and the fixed milliseconds is the latency of the network, so
        this is a row of the design matrix for fitting them.
        """
        sums = dict.fromkeys(self.factors, 0.0)
        for kernel in kernels(graph.ops):
            for name, value in coefficients.get(kernel.kind, {}).items():
                sums[self.factor(kernel.kind, name)] += value * float(term(name, kernel))
        return np.array([*sums.values(), 1.0])

    def scaled(
        self, coefficients: Coefficients, factors: dict[str, float]
    ) -> dict[str, dict[str, float]]:
        """Return the coefficients times their factors, without those that become 0."""
        result = {}
        for kind, terms in coefficients.items():
            products = {
                name: value * factors[self.factor(kind, name)] for name, value in terms.items()
            }
            positive = {name: value for name, value in products.items() if value > 0}
            if positive:
                result[kind] = positive
        return result


# Runtimes differ most in how they execute the ops that separable attention adds to convolutions.
_SEPARABLE = ("group_norm", "softmax_separable", "mul", "sum", "relu")


def _by_resource(kind: str, name: str) -> str:
    """Return the resource that a term of a class uses."""
    if name == "calls":
        return "calls"
    if kind in _SEPARABLE:
        return "separable attention"
    if name in ("macs", "idle_macs"):
        return "compute"
    # All other terms are bytes or rows: traffic, by the kind of data that is moved.
    if kind in GROUPS["layout"]:
        return "layout"
    return _TRAFFIC.get(_GROUP_OF[kind], "traffic of maps")


def _by_group(kind: str, name: str) -> str:
    return "calls" if name == "calls" else _GROUP_OF[kind]


def _by_class(kind: str, name: str) -> str:
    return "calls" if name == "calls" else kind


_RESOURCES = (
    "compute",
    "traffic of maps",
    "traffic of tokens",
    "traffic between",
    "separable attention",
    "layout",
    "calls",
)

BY_RESOURCE = ScalingGroups("by resource", _RESOURCES, _by_resource)
"""One factor per resource of a device: arithmetic, bandwidth for each kind of data, and the start
of kernels."""

BY_GROUP = ScalingGroups("by group", (*GROUPS, "calls"), _by_group)
"""One factor per group of classes, and one for the fixed cost per call."""

BY_CLASS = ScalingGroups("by class", (*CLASSES, "calls"), _by_class)
"""One factor per class, and one for the fixed cost per call."""
