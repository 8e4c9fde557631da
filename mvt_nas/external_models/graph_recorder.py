"""What a foreign network computes, step by step, as its reader writes it down; and the kernels that come of it.

Readers write steps on *storages*: what a reader calls a view shares its base's storage and is no
step, and what follows from constants alone is a constant. Kernels come of steps as they come of the
networks that are built here (``docs/counts.md``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mvt_nas.blocks.graph import Graph, Op, Tensor
from mvt_nas.cost.reductions import BYTES, peak_elements

_ARITHMETIC = ("add", "sub", "mul", "div")
_FOLDED_INTO = ("conv", "linear", "norm")


@dataclass(frozen=True, slots=True)
class RecordedOp:
    """One step of a computation.

    Attributes:
        kind: ``conv``, ``linear`` (a product with constant weights), ``matmul``, ``batch_norm``,
            ``norm``, ``elementwise``, ``part`` (a further result of the step before) or ``other``.
        name: of the operation, in lower case.
        reads: storages of the tensors that it reads, constants left out.
        writes: storage of its result.
        macs: multiply-adds.
        constant: elements of the largest constant among its operands.
    """

    kind: str
    name: str
    reads: tuple[int, ...]
    writes: int
    macs: int = 0
    constant: int = 0


class GraphRecorder:
    """The steps of a network in order of execution.

    Attributes:
        sizes: elements of each storage.
        steps: the steps.
        results: storages of what the network returns.
        uncounted: operations whose multiply-adds are not known.
        unplaced: operations that say too little of what they keep in memory.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.steps: list[RecordedOp] = []
        self.results: set[int] = set()
        self.uncounted: set[str] = set()
        self.unplaced: set[str] = set()

    def storage(self, elements: int) -> int:
        """Return a new storage of so many elements."""
        self.sizes.append(elements)
        return len(self.sizes) - 1

    def step(
        self,
        kind: str,
        name: str,
        reads: Iterable[int],
        elements: int,
        *,
        macs: int = 0,
        constant: int = 0,
    ) -> int:
        """Append a step; return the storage of its result, of so many elements."""
        writes = self.storage(elements)
        self.steps.append(
            RecordedOp(kind, name, tuple(dict.fromkeys(reads)), writes, macs, constant)
        )
        return writes

    def macs(self) -> int:
        """Return the multiply-adds of all steps."""
        return sum(step.macs for step in self.steps)

    def peak_bytes(self) -> int:
        """Return the largest sum of live activations at any kernel, fp32, weights excluded."""
        graph = self.graph()
        return BYTES * int(
            peak_elements(graph, held=[self._tensor(storage) for storage in self.results])
        )

    def graph(self) -> Graph:
        """Return the kernels.

        A batch norm, or the scale or shift of channels by constants, that alone reads a
        convolution, a linear layer or a norm is folded into it. An element-wise function of one
        tensor is one kernel, however many steps spell it out.
        """
        graph = Graph()
        graph.sizes = self.sizes
        for step in self._fused(self._folded(self._without_unread_parts())):
            inputs = tuple(map(self._tensor, step.reads))
            graph.ops.append(
                Op(step.kind, step.name, inputs, self._tensor(step.writes), macs=step.macs)
            )
        return graph

    def _tensor(self, storage: int) -> Tensor:
        return Tensor((self.sizes[storage],), storage, self.sizes[storage])

    def _without_unread_parts(self) -> list[RecordedOp]:
        read = {storage for step in self.steps for storage in step.reads} | self.results
        return [step for step in self.steps if step.kind != "part" or step.writes in read]

    def _folded(self, steps: list[RecordedOp]) -> list[RecordedOp]:
        """Return the steps with those folded into the one before that change no more than its weights."""
        readers = Counter(storage for step in steps for storage in step.reads)
        found: list[RecordedOp] = []
        place_of: dict[int, int] = {}
        for step in steps:
            source = step.reads[0] if len(step.reads) == 1 else -1
            place = place_of.get(source, -1)
            alone = place >= 0 and readers[source] == 1 and source not in self.results
            if (
                alone
                and self.sizes[source] == self.sizes[step.writes]
                and self._folds(step, found[place])
            ):
                found[place] = replace(found[place], writes=step.writes)
                place_of[step.writes] = place
            else:
                place_of[step.writes] = len(found)
                found.append(step)
        return found

    def _folds(self, step: RecordedOp, into: RecordedOp) -> bool:
        if step.kind == "batch_norm":
            return into.kind in ("conv", "linear")
        channels = (
            1 < step.constant < self.sizes[step.writes]
        )  # no single factor, and no value for each place
        return (
            step.kind == "elementwise"
            and step.name in _ARITHMETIC
            and channels
            and into.kind in _FOLDED_INTO
        )

    def _fused(self, steps: list[RecordedOp]) -> list[RecordedOp]:
        """Return the steps with element-wise functions of one tensor as one step that reads it."""
        root: dict[int, int] = {}
        inner: dict[int, RecordedOp] = {}
        for step in steps:
            roots = {root.get(storage, storage) for storage in step.reads}
            if (
                step.kind == "elementwise"
                and len(roots) == 1
                and self.sizes[min(roots)] == self.sizes[step.writes]
            ):
                root[step.writes] = min(roots)
                inner[step.writes] = step
        read = {
            storage for step in steps if step.writes not in inner for storage in step.reads
        } | self.results
        hidden = {storage: step for storage, step in inner.items() if storage not in read}

        def reads(step: RecordedOp) -> Iterable[int]:
            for storage in step.reads:
                yield from reads(hidden[storage]) if storage in hidden else (storage,)

        return [
            replace(step, reads=tuple(dict.fromkeys(reads(step))))
            for step in steps
            if step.writes not in hidden
        ]
