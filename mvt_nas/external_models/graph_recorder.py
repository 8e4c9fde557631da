"""Recorded computations of external models, and their kernels and costs.

Readers record operations on *storages*. A view shares the storage of its base and is not an
operation, and results that follow from constants alone are constants. Operations become kernels by
the same rules as in networks of mvt-nas (``docs/counts.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mvt_nas.blocks.graph import Graph, Op, Tensor
from mvt_nas.cost.reductions import BYTES, peak_elements
from mvt_nas.errors import BaselineError, listing
from mvt_nas.external_models.recorded_op import RecordedOp, Window, with_folded

ARITHMETIC = ("add", "sub", "mul", "div")
"""Names of the arithmetic operations that may be folded."""

_FOLDED_INTO = ("conv", "linear", "norm")


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
        reads: Iterable[tuple[int, int]],
        elements: int,
        *,
        macs: int = 0,
        constants: Sequence[int] = (),
        shape: tuple[int, ...] | None = None,
        window: Window | None = None,
    ) -> int:
        """Record an operation; return the storage of its result, of ``elements`` elements.

        Args:
            kind: See :class:`RecordedOp`, as for the name, ``macs`` and ``window``.
            name: Name of the operation.
            reads: Storage and number of elements of each input.
            elements: Elements of its result.
            macs: Multiply-adds.
            constants: Elements of each constant among its inputs.
            shape: Shape of its result.
            window: Window of a convolution.
        """
        writes = self.add_storage(elements)
        inputs: dict[int, int] = {}
        for storage, read in reads:
            # A view that repeats its elements does not read more of them.
            inputs[storage] = inputs.get(storage, 0) + min(read, self.sizes[storage])
        self.ops.append(
            RecordedOp(
                kind,
                name,
                tuple(inputs),
                tuple(inputs.values()),
                writes,
                macs,
                max(constants, default=0),
                sum(constants),
                shape,
                window,
            )
        )
        return writes

    def macs(self) -> int:
        """Return the multiply-adds of all operations."""
        return sum(op.macs for op in self.ops)

    def peak_bytes(self) -> int:
        """Return the largest sum of live activations at any kernel, fp32, weights excluded."""
        results = [self._tensor(storage) for storage in self.results]
        return BYTES * int(peak_elements(self.graph(), held=results))

    def kernels(self) -> list[RecordedOp]:
        """Return the operations that are kernels, in order.

        A batch norm, or the scale or shift of channels by constants, that is the only reader of a
        convolution, a linear layer or a norm is folded into it. An element-wise function of one
        tensor is one kernel, even if it consists of several operations.
        """
        return self._fused(self._folded(self._without_unread_parts()))

    def graph(self) -> Graph:
        """Return the graph of :meth:`kernels`."""
        graph = Graph()
        graph.sizes = self.sizes
        for op in self.kernels():
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
                folded[index] = with_folded(folded[index], op)
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
            and op.name in ARITHMETIC
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

        def visible_reads(op: RecordedOp) -> Iterable[tuple[int, int]]:
            for storage, elements in zip(op.reads, op.elements, strict=True):
                if storage in hidden:
                    yield from visible_reads(hidden[storage])
                else:
                    yield storage, elements

        def hidden_names(op: RecordedOp) -> Iterable[str]:
            for storage in op.reads:
                if storage in hidden:
                    yield from hidden_names(hidden[storage])
                    yield hidden[storage].name

        def fused(op: RecordedOp) -> RecordedOp:
            # Within one kernel, a tensor is read once.
            reads = dict(visible_reads(op)) if any(one in hidden for one in op.reads) else None
            if reads is None:
                return op
            names = (*op.fused, *dict.fromkeys(hidden_names(op)))
            return replace(op, reads=tuple(reads), elements=tuple(reads.values()), fused=names)

        return [fused(op) for op in ops if op.writes not in hidden]


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
