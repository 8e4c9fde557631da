"""Coefficients of each class of kernels, from the kernel times that a runtime's own profile gives.

Least squares of relative errors with coefficients that cannot be negative: convex, so no starting
point, no seed, the same answer each time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas.blocks.graph import Graph
from mvt_nas.latency.model.kernels import (
    CLASSES,
    TERMS,
    Kernel,
    Signature,
    kernels,
    signature,
    term,
)
from mvt_nas.latency.model.nonnegative_least_squares import nonnegative_least_squares

# Between 1/2, as if noise grew like the square root of the time, and 1, which lets the smallest
# kernels decide.
_WEIGHT_POWER = 0.75


@dataclass(frozen=True, slots=True)
class KernelSample:
    """The kernels of one network that share a signature.

    Attributes:
        kind: their class.
        terms: sums over them, in the order of :data:`TERMS`.
        count: how many they are.
        ms: their milliseconds together.
    """

    kind: str
    terms: tuple[float, ...]
    count: int
    ms: float


def kernel_samples(graph: Graph, times: Mapping[Signature, float]) -> list[KernelSample]:
    """Return what a runtime's own profile says of the kernels of a network; what has no counterpart is left out."""
    groups: dict[Signature, list[Kernel]] = {}
    for kernel in kernels(graph.ops):
        groups.setdefault(signature(kernel), []).append(kernel)
    return [
        KernelSample(
            found.kind,
            tuple(sum(float(term(name, k)) for k in members) for name in TERMS),
            len(members),
            times[found],
        )
        for found, members in groups.items()
        if found in times
    ]


def fit_kernels(samples: Sequence[KernelSample]) -> dict[str, dict[str, float]]:
    """Return the coefficients of each class, in milliseconds per unit of the term; a class without samples costs nothing."""
    result = {}
    for kind in CLASSES:
        members = [sample for sample in samples if sample.kind == kind and sample.ms > 0]
        if not members:
            continue
        ms = np.array([sample.ms for sample in members])
        weights = np.sqrt([sample.count for sample in members]) / ms**_WEIGHT_POWER
        design = np.array([sample.terms for sample in members])
        found = nonnegative_least_squares(design * weights[:, None], ms * weights)
        result[kind] = {
            name: float(value) for name, value in zip(TERMS, found, strict=True) if value > 0
        }
    return result
