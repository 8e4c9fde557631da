"""Sums and peaks over a list of kernels, for numbers and for arrays alike; and what else may be summed.

Memory follows one convention: at each kernel, the bytes of all tensors that exist and are still
needed, its inputs and its output among them, in fp32, weights excluded. A view shares its base's
storage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mvt_nas.blocks.graph import Graph, Op, Size, Tensor

BYTES = 4
"""Bytes of one fp32 element."""


@dataclass(frozen=True, slots=True)
class KernelCost:
    """A cost that is summed over the kernels, such as a predicted latency.

    Attributes:
        name: what the cost is called.
        of: the sum over the kernels of a graph or of a part of one; an array where sizes are
            arrays.
        fixed: added once per network.
        batch_size: images per inference; ``None`` for as many as all else is counted for.
    """

    name: str
    of: Callable[[Graph], Size]
    fixed: float = 0.0
    batch_size: int | None = None


def total(ops: Sequence[Op], attribute: str) -> Size:
    """Return the sum of an attribute (``macs``, ``params``, ``weights``, ``moved``) over the kernels."""
    result: Size = 0
    for op in ops:
        result = result + getattr(op, attribute)
    return result


def peak_elements(graph: Graph, held: Sequence[Tensor] = ()) -> Size:
    """Return the largest number of live elements at any kernel; ``held`` tensors live to the end."""
    peak: Size = 0
    for op, elements in zip(graph.ops, live_elements(graph, held), strict=True):
        if op.kind != "call":
            peak = larger(peak, elements)
    return peak


def background_elements(graph: Graph, live: Sequence[Size] | None = None) -> Size:
    """Return the elements that live beside the input and the output of the graph's ``call``; 0 where it has none.

    Args:
        graph: the kernels.
        live: what :func:`live_elements` says of them, where that is known and nothing is held.
    """
    for index, op in enumerate(graph.ops):
        if op.kind == "call":
            return (
                (live or live_elements(graph))[index] - op.inputs[0].elements - op.output.elements
            )
    return 0


def without_call(graph: Graph) -> Graph:
    """Return the graph with nothing but kernels: without the ``call``, where it has one."""
    result = Graph()
    result.ops, result.sizes = [op for op in graph.ops if op.kind != "call"], graph.sizes
    return result


def larger(a: Any, b: Any) -> Any:
    """Return the larger of two numbers, or of two arrays element by element."""
    return a + (b - a) * (b > a)


def live_elements(graph: Graph, held: Sequence[Tensor] = ()) -> list[Size]:
    """Return for each kernel the elements of all tensors that exist while it runs; ``held`` tensors live to the end."""
    last_use = {
        tensor.storage: index
        for index, op in enumerate(graph.ops)
        for tensor in (*op.inputs, op.output)
    }
    last_use |= {tensor.storage: len(graph.ops) for tensor in held}
    last_use[graph.ops[-1].output.storage] = len(graph.ops)
    written = {op.output.storage for op in graph.ops}
    live: Size = sum(
        size
        for storage, size in enumerate(graph.sizes)
        if storage not in written and storage in last_use
    )
    result = []
    for index, op in enumerate(graph.ops):
        live = live + graph.sizes[op.output.storage]
        result.append(live)
        for storage in {tensor.storage for tensor in (*op.inputs, op.output)}:
            if last_use[storage] == index:
                live = live - graph.sizes[storage]
    return result
