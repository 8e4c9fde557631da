"""Sums and peaks over a list of kernels, for numbers and for arrays alike.

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
        name: Name of the cost.
        of: Function that returns the sum over the kernels of a graph or of a part of one; an array
            where sizes are arrays.
        fixed: Constant added once per network.
        batch_size: Images per inference; ``None`` for the batch size of the other costs.
    """

    name: str
    of: Callable[[Graph], Size]
    fixed: float = 0.0
    batch_size: int | None = None


def total(ops: Sequence[Op], attribute: str) -> Size:
    """Return the sum of ``macs``, ``params``, ``weights`` or ``moved`` over kernels."""
    result: Size = 0
    for op in ops:
        result = result + getattr(op, attribute)
    return result


def peak_elements(graph: Graph, held: Sequence[Tensor] = ()) -> Size:
    """Return the largest number of live elements at any kernel.

    Args:
        graph: The kernels.
        held: Tensors that stay alive to the end.
    """
    peak: Size = 0
    for op, elements in zip(graph.ops, live_elements(graph, held), strict=True):
        if op.kind != "call":
            peak = larger(peak, elements)
    return peak


def background_elements(graph: Graph, live: Sequence[Size] | None = None) -> Size:
    """Return the elements alive during the graph's ``call``, its input and output excluded.

    Args:
        graph: The kernels. Without a ``call`` among them, the result is 0.
        live: Result of :func:`live_elements` for the graph without held tensors, where it is known.
    """
    for index, op in enumerate(graph.ops):
        if op.kind == "call":
            elements = (live or live_elements(graph))[index]
            return elements - op.inputs[0].elements - op.output.elements
    return 0


def without_call(graph: Graph) -> Graph:
    """Return the graph without its ``call``, so that it holds real kernels only."""
    result = Graph()
    result.ops = [op for op in graph.ops if op.kind != "call"]
    result.sizes = graph.sizes
    return result


def larger(a: Any, b: Any) -> Any:
    """Return the larger of two numbers, or of two arrays element by element."""
    # Arithmetic serves both, and a plain integer stays one.
    return a + (b - a) * (b > a)


def live_elements(graph: Graph, held: Sequence[Tensor] = ()) -> list[Size]:
    """Return for each kernel the elements of all tensors that are alive while it runs.

    A tensor is alive from the kernel that writes it (an input from the start) to the last kernel
    that reads it or a view of it.

    Args:
        graph: The kernels.
        held: Tensors that stay alive to the end.
    """
    # Later kernels overwrite earlier ones, so the last use remains. Kernel number len(ops) stands
    # for "after the end".
    last_use = {
        tensor.storage: index
        for index, op in enumerate(graph.ops)
        for tensor in (*op.inputs, op.output)
    }
    last_use |= {tensor.storage: len(graph.ops) for tensor in held}
    last_use[graph.ops[-1].output.storage] = len(graph.ops)
    written = {op.output.storage for op in graph.ops}
    # The inputs are alive from the start, unless nothing reads them.
    live: Size = sum(
        size
        for storage, size in enumerate(graph.sizes)
        if storage not in written and storage in last_use
    )
    result = []
    for index, op in enumerate(graph.ops):
        live = live + graph.sizes[op.output.storage]
        result.append(live)
        # A set, since a kernel may read two views of one storage.
        for storage in {tensor.storage for tensor in (*op.inputs, op.output)}:
            if last_use[storage] == index:
                live = live - graph.sizes[storage]
    return result
