"""Predicted milliseconds of graphs whose sizes are arrays, for all kernels at once.

A cost table is compiled from thousands of small graphs. Kernel by kernel and term by term, that is
a million operations on short arrays. Here the sizes of all kernels of a graph are stacked first,
and several predictors share the terms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.blocks.graph import Graph, Op, Size, Tensor
from mvt_nas.latency.model.kernels import CLASSES, TERMS, Kernel, kernels, term
from mvt_nas.latency.model.predictor import Predictor

_CLASS_INDEX = {kind: index for index, kind in enumerate(CLASSES)}


def vectorized_ms(predictor: Predictor) -> Callable[[Graph], Size]:
    """Return a function equal to :meth:`Predictor.kernels_ms`, faster where sizes are arrays.

    The function returns (n,) for sizes that are arrays of n.
    """
    weights = np.zeros((len(CLASSES), len(TERMS)))
    for kind, terms in predictor.coefficients.items():
        for name, coefficient in terms.items():
            weights[_CLASS_INDEX[kind], TERMS.index(name)] = coefficient

    def milliseconds(graph: Graph) -> Size:
        classes, terms = _terms(graph)
        # (kernels, terms) transposed and flattened: the order of the rows of ``terms``.
        return _weighted_sum(weights[classes].T.ravel(), terms)

    return milliseconds


def _weighted_sum(weights: FloatArray, rows: FloatArray) -> FloatArray:
    """Return ``weights @ rows``, added row by row in a fixed order.

    The last digits of a matrix product depend on the processor, and so would those of a run.
    """
    result = np.zeros(rows.shape[1:])
    product = np.empty(rows.shape[1:])
    for index in np.flatnonzero(weights).tolist():
        result += np.multiply(rows[index], weights[index], out=product)
    return result


# One entry: several predictors are applied to one graph before the next.
@lru_cache(maxsize=1)
def _terms(graph: Graph) -> tuple[list[int], FloatArray]:
    """Return the class index of each kernel, and the terms, (terms * kernels, n)."""
    # Convolutions first: one term has another formula for them.
    found = sorted(kernels(graph.ops), key=lambda kernel: kernel.op.kind != "conv")
    convolutions = sum(kernel.op.kind == "conv" for kernel in found)
    sizes = _sizes([kernel.op for kernel in found])
    result = np.empty((len(TERMS), *sizes.shape[1:]))
    for kind, part in (("conv", slice(convolutions)), ("other", slice(convolutions, None))):
        stacked = _stacked_kernel(kind, sizes[:, part])
        for index, name in enumerate(TERMS):
            result[index, part] = term(name, stacked)
    return [_CLASS_INDEX[kernel.kind] for kernel in found], result.reshape(-1, result.shape[-1])


def _sizes(ops: Sequence[Op]) -> FloatArray:
    """Return the sizes that terms are computed from, (6, kernels, n).

    They are MACs, weights, elements read and written, channels, and the size of the last axis.
    """
    n = max((_length(op) for op in ops), default=1)
    result = np.empty((6, len(ops), n))
    # Six views, filled in place.
    macs, weights, read, written, channels, last = result
    for index, op in enumerate(ops):
        macs[index] = op.macs
        weights[index] = op.weights
        read[index] = sum(tensor.elements for tensor in op.inputs)
        written[index] = op.output.elements
        channels[index] = op.output.shape[1]
        last[index] = op.output.shape[-1]
    return result


def _length(op: Op) -> int:
    """Return the length of the arrays among an op's sizes; 1 where all are numbers."""
    return max(getattr(size, "size", 1) for size in (op.macs, op.weights, op.output.elements))


def _stacked_kernel(kind: str, sizes: FloatArray) -> Kernel:
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
