"""Recorded computations of external models, and their kernels and costs.

Readers record operations on *storages*. A view shares the storage of its base and is not an
operation, and results that follow from constants alone are constants. Operations become kernels by
the same rules as in networks of mvt-nas (``docs/counts.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mvt_nas.blocks.graph import Graph, Op, Tensor
from mvt_nas.cost.reductions import BYTES, peak_elements
from mvt_nas.errors import BaselineError, listing

_ARITHMETIC = ("add", "sub", "mul", "div")
_FOLDED_INTO = ("conv", "linear", "norm")


@dataclass(frozen=True, slots=True)
class RecordedOp:
    """One operation of a computation.

    Attributes:
        kind: ``conv``, ``linear`` (a product with constant weights), ``matmul``, ``batch_norm``,
            ``norm``, ``elementwise``, ``part`` (a further result of the previous operation) or
            ``other``.
        name: Name of the operation, in lower case.
        reads: Storages of its inputs, constants left out.
        writes: Storage of its result.
        macs: Multiply-adds.
        constant: Elements of the largest constant among its inputs.
    """

    kind: str
    name: str
    reads: tuple[int, ...]
    writes: int
    macs: int = 0
    constant: int = 0


class GraphRecorder:
    """The operations of a network in order of execution.

    Attributes:
        sizes: Number of elements of each storage.
        ops: Recorded operations.
        results: Storages of the network's outputs.
        uncounted: Names of operations with unknown multiply-adds.
        unsized: Names of operations with unknown memory use.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.ops: list[RecordedOp] = []
        self.results: set[int] = set()
        self.uncounted: set[str] = set()
        self.unsized: set[str] = set()

    def add_storage(self, elements: int) -> int:
        """Add a storage of ``elements`` elements; return its index."""
        self.sizes.append(elements)
        return len(self.sizes) - 1

    def record(
        self,
        kind: str,
        name: str,
        reads: Iterable[int],
        elements: int,
        *,
        macs: int = 0,
        constant: int = 0,
    ) -> int:
        """Record an operation; return the storage of its result, of ``elements`` elements.

        See :class:`RecordedOp` for the other arguments.
        """
        writes = self.add_storage(elements)
        inputs = tuple(dict.fromkeys(reads))
        self.ops.append(RecordedOp(kind, name, inputs, writes, macs, constant))
        return writes

    def macs(self) -> int:
        """Return the multiply-adds of all operations."""
        return sum(op.macs for op in self.ops)

    def peak_bytes(self) -> int:
        """Return the largest sum of live activations at any kernel, fp32, weights excluded."""
        results = [self._tensor(storage) for storage in self.results]
        return BYTES * int(peak_elements(self.graph(), held=results))

    def graph(self) -> Graph:
        """Return the kernels.

        A batch norm, or the scale or shift of channels by constants, that is the only reader of a
        convolution, a linear layer or a norm is folded into it. An element-wise function of one
        tensor is one kernel, even if it consists of several operations.
        """
        graph = Graph()
        graph.sizes = self.sizes
        for op in self._fused(self._folded(self._without_unread_parts())):
            inputs = tuple(map(self._tensor, op.reads))
            graph.ops.append(Op(op.kind, op.name, inputs, self._tensor(op.writes), macs=op.macs))
        return graph

    def _tensor(self, storage: int) -> Tensor:
        return Tensor((self.sizes[storage],), storage, self.sizes[storage])

    def _without_unread_parts(self) -> list[RecordedOp]:
        read = {storage for op in self.ops for storage in op.reads} | self.results
        return [op for op in self.ops if op.kind != "part" or op.writes in read]

    def _folded(self, ops: list[RecordedOp]) -> list[RecordedOp]:
        """Return the operations after folding those that only change the weights of another one."""
        readers = Counter(storage for op in ops for storage in op.reads)
        folded: list[RecordedOp] = []
        # Storage -> index in ``folded`` of the operation that writes it.
        writer_of: dict[int, int] = {}
        for op in ops:
            source = op.reads[0] if len(op.reads) == 1 else -1
            index = writer_of.get(source)
            only_reader = readers[source] == 1 and source not in self.results
            if (
                index is not None
                and only_reader
                and self.sizes[source] == self.sizes[op.writes]
                and self._folds_into(op, folded[index])
            ):
                folded[index] = replace(folded[index], writes=op.writes)
                writer_of[op.writes] = index
            else:
                writer_of[op.writes] = len(folded)
                folded.append(op)
        return folded

    def _folds_into(self, op: RecordedOp, target: RecordedOp) -> bool:
        if op.kind == "batch_norm":
            return target.kind in ("conv", "linear")
        # More than a single factor, but not one value for each position.
        per_channel = 1 < op.constant < self.sizes[op.writes]
        return (
            op.kind == "elementwise"
            and op.name in _ARITHMETIC
            and per_channel
            and target.kind in _FOLDED_INTO
        )

    def _fused(self, ops: list[RecordedOp]) -> list[RecordedOp]:
        """Return the operations with each element-wise function of one tensor as a single one.

        Intermediate results that only such operations read disappear, and their readers read the
        tensor itself.
        """
        # Storage -> the one tensor that it is an element-wise function of.
        root: dict[int, int] = {}
        elementwise: dict[int, RecordedOp] = {}
        for op in ops:
            roots = {root.get(storage, storage) for storage in op.reads}
            if op.kind != "elementwise" or len(roots) != 1:
                continue
            (source,) = roots
            if self.sizes[source] == self.sizes[op.writes]:
                root[op.writes] = source
                elementwise[op.writes] = op
        # Results that other operations read, or the network returns, have to exist.
        needed = set(self.results)
        for op in ops:
            if op.writes not in elementwise:
                needed.update(op.reads)
        hidden = {storage: op for storage, op in elementwise.items() if storage not in needed}

        def visible_reads(op: RecordedOp) -> Iterable[int]:
            for storage in op.reads:
                if storage in hidden:
                    yield from visible_reads(hidden[storage])
                else:
                    yield storage

        return [
            replace(op, reads=tuple(dict.fromkeys(visible_reads(op))))
            for op in ops
            if op.writes not in hidden
        ]


def count_costs(recorder: GraphRecorder, params: int) -> tuple[dict[str, float], tuple[str, ...]]:
    """Return ``params``, ``macs`` and ``memory_mb`` as far as they are known, and notes.

    The notes explain missing costs.

    Raises:
        BaselineError: the output does not depend on the input image.
    """
    if not any(op.reads for op in recorder.ops):
        raise BaselineError("the output of the network does not depend on the input image")
    costs = {"params": float(params)}
    notes = []
    if recorder.uncounted:
        names = listing(sorted(recorder.uncounted))
        notes.append(f"macs is left out: those of {names} are not known")
    else:
        costs["macs"] = float(recorder.macs())
    if recorder.unsized:
        names = listing(sorted(recorder.unsized))
        notes.append(f"memory_mb is left out: the memory of {names} is not known, or is not fp32")
    else:
        costs["memory_mb"] = recorder.peak_bytes() / 1e6
    return costs, tuple(notes)
