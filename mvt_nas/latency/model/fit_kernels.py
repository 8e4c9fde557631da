"""Coefficients of each kernel class, fitted to the kernel times in a runtime's own profile.

Least squares of relative errors with coefficients that cannot be negative: convex, so there is no
starting point and no seed, and the answer is always the same.
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

# The residual of a kernel is divided by its time to this power. 1/2 would suit noise that grows
# like the square root of the time; with 1, relative errors, the smallest kernels dominate.
_WEIGHT_POWER = 0.75


@dataclass(frozen=True, slots=True)
class KernelSample:
    """All kernels of one network with the same signature.

    Attributes:
        kind: Their class.
        terms: Sums of their terms, in the order of :data:`TERMS`.
        count: Their number.
        ms: Their total time, in milliseconds.
    """

    kind: str
    terms: tuple[float, ...]
    count: int
    ms: float


def kernel_samples(graph: Graph, times: Mapping[Signature, float]) -> list[KernelSample]:
    """Match the kernels of a network with the times in a runtime's profile.

    Kernels that occur only in the graph or only in the profile are left out.
    """
    groups: dict[Signature, list[Kernel]] = {}
    for kernel in kernels(graph.ops):
        groups.setdefault(signature(kernel), []).append(kernel)
    samples = []
    for key, members in groups.items():
        if key in times:
            terms = tuple(sum(float(term(name, kernel)) for kernel in members) for name in TERMS)
            samples.append(KernelSample(key.kind, terms, len(members), times[key]))
    return samples


def fit_kernels(samples: Sequence[KernelSample]) -> dict[str, dict[str, float]]:
    """Return the coefficients of each class, in milliseconds per unit of the term.

    A class without samples is left out and costs nothing.
    """
    result = {}
    for kind in CLASSES:
        members = [sample for sample in samples if sample.kind == kind and sample.ms > 0]
        if not members:
            continue
        ms = np.array([sample.ms for sample in members])
        # A sample of n kernels averages n times, so its squared error counts n times.
        weights = np.sqrt([sample.count for sample in members]) / ms**_WEIGHT_POWER
        design = np.array([sample.terms for sample in members])
        solution = nonnegative_least_squares(design * weights[:, None], ms * weights)
        result[kind] = {
            name: float(value) for name, value in zip(TERMS, solution, strict=True) if value > 0
        }
    return result
