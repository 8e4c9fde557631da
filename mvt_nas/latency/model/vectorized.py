"""The milliseconds of graphs with arrays for sizes, all kernels at once.

A cost table is compiled from thousands of small graphs. Kernel by kernel and term by term that is a
million operations on short arrays; here the sizes of all kernels of a graph are laid on top of one
another first, and several predictors share the terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph, Op, Size, Tensor
from mvt_nas.latency.model.kernels import CLASSES, TERMS, Kernel, kernels, term
from mvt_nas.latency.model.predictor import Predictor

_PLACES = {kind: place for place, kind in enumerate(CLASSES)}


def vectorized_ms(predictor: Predictor) -> Callable[[Graph], Size]:
    """Return a function that gives what :meth:`Predictor.kernels_ms` does, (n,) for arrays of n, and is quicker for many arrays."""
    weights = np.zeros((len(CLASSES), len(TERMS)))
    for kind, terms in predictor.coefficients.items():
        for name, coefficient in terms.items():
            weights[_PLACES[kind], TERMS.index(name)] = coefficient

    def milliseconds(graph: Graph) -> Size:
        places, terms = _terms(graph)
        return _in_order(weights[places].T.ravel(), terms)

    return milliseconds


def _in_order(weights: FloatArray, rows: FloatArray) -> FloatArray:
    """Return ``weights @ rows``, added row by row: a matrix product's last digits are another processor's, and so would a run's be."""
    result, product = np.zeros(rows.shape[1:]), np.empty(rows.shape[1:])
    for place in np.flatnonzero(weights).tolist():
        result += np.multiply(rows[place], weights[place], out=product)
    return result


@lru_cache(maxsize=1)
def _terms(graph: Graph) -> tuple[list[int], FloatArray]:
    """Return the place of each kernel's class, and the terms, (terms * kernels, n)."""
    found = sorted(kernels(graph.ops), key=lambda kernel: kernel.op.kind != "conv")
    convolutions = sum(kernel.op.kind == "conv" for kernel in found)
    sizes = _sizes([kernel.op for kernel in found])
    result = np.empty((len(TERMS), *sizes.shape[1:]))
    for kind, part in (("conv", slice(convolutions)), ("other", slice(convolutions, None))):
        stack = _stack(kind, sizes[:, part])
        for index, name in enumerate(TERMS):
            result[index, part] = term(name, stack)
    return [_PLACES[kernel.kind] for kernel in found], result.reshape(-1, result.shape[-1])


def _sizes(ops: Sequence[Op]) -> FloatArray:
    """Return what the terms are made of, (sizes, kernels, n)."""
    n = max(
        (
            getattr(size, "size", 1)
            for op in ops
            for size in (op.macs, op.weights, op.output.elements)
        ),
        default=1,
    )
    result = np.empty((6, len(ops), n))
    macs, weights, read, written, channels, last = result
    for index, op in enumerate(ops):
        macs[index], weights[index], written[index] = op.macs, op.weights, op.output.elements
        read[index] = sum(tensor.elements for tensor in op.inputs)
        channels[index], last[index] = op.output.shape[1], op.output.shape[-1]
    return result


def _stack(kind: str, sizes: FloatArray) -> Kernel:
    """Return one kernel whose sizes are those of many, (kernels, n)."""
    macs, weights, read, written, channels, last = sizes
    op = Op(
        kind,
        kind,
        (Tensor((), 0, read),),
        Tensor((1, channels, 1, last), 1, written),
        macs=macs,
        weights=weights,
    )
    return Kernel(kind, op)
