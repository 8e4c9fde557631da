"""Recording the operations of an ONNX graph, in the order of the file, which is executable."""

from __future__ import annotations

from collections import defaultdict
from math import prod
from typing import Any

from mvt_nas.errors import BaselineError
from mvt_nas.external_models.graph_recorder import GraphRecorder, count_costs
from mvt_nas.external_models.kernel_graph import KernelGraph, kernel_graph
from mvt_nas.external_models.onnx_nodes import (
    QUANTISED,
    WITH_SUBGRAPHS,
    WITHOUT_DATA,
    is_view,
    kind_of,
    macs_of,
    window_of,
)
from mvt_nas.onnx.shapes import Shapes, infer_shapes
from mvt_nas.onnx.weights import count_weights

FOLDED = (
    "params are the weights in the file: where a batch norm was folded at export, one number for"
    " each channel is left of two"
)


def count_graph(
    model: Any, input_shape: tuple[int, int, int, int]
) -> tuple[dict[str, float], tuple[str, ...], KernelGraph]:
    """Return the costs of an ONNX model for one image (1, C, H, W), notes on them, and its kernels.

    Raises:
        BaselineError: the network does not work on such images, or its costs cannot be counted.
    """
    graph, shapes = infer_shapes(model, input_shape)
    recorder = record_graph(graph, shapes)
    costs, notes = count_costs(recorder, count_weights(graph))
    operators = {node.op_type for node in graph.node}
    if "Conv" in operators and "BatchNormalization" not in operators:
        notes = (*notes, FOLDED)
    return costs, notes, kernel_graph(recorder)


def record_graph(graph: Any, shapes: Shapes) -> GraphRecorder:
    """Record the operations of an ONNX graph.

    Raises:
        BaselineError: a node reads a tensor that no previous node writes.
    """
    reader = _GraphReader(graph, shapes)
    for node in graph.node:
        reader.visit(node)
    outputs = [entry.name for entry in graph.output]
    reader.recorder.results = {reader.storages[name] for name in outputs if name in reader.storages}
    return reader.recorder


class _GraphReader:
    """Storages and constants of the nodes visited so far.

    Attributes:
        recorder: Recorded operations.
        storages: Storage of each tensor that depends on the image, by name.
    """

    def __init__(self, graph: Any, shapes: Shapes) -> None:
        self.recorder = GraphRecorder()
        self.storages: dict[str, int] = {}
        self._shapes = shapes
        self._constants = {tensor.name for tensor in graph.initializer}
        self._constants |= {entry.values.name for entry in graph.sparse_initializer}
        # Operators that read each tensor, by its name.
        self._readers: defaultdict[str, list[str]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node.op_type)
        for entry in graph.input:
            if entry.name not in self._constants:
                elements = prod(shapes[entry.name])
                self.storages[entry.name] = self.recorder.add_storage(elements)

    def visit(self, node: Any) -> None:
        """Record a node, unless it is a view or constant."""
        # An empty name is an optional input that is left out.
        for name in filter(None, node.input):
            if name not in self.storages and name not in self._constants:
                raise BaselineError(
                    f"the file is cut off or damaged: {node.op_type} reads {name!r}, which nothing"
                    " before it makes"
                )
        active = [name for name in node.input if name in self.storages]
        outputs = [name for name in node.output if name]
        if node.op_type in WITH_SUBGRAPHS or node.domain not in ("", "ai.onnx"):
            self._record_unknown(node, active, outputs)
        elif not active or node.op_type in WITHOUT_DATA:
            self._constants.update(outputs)
        elif node.input[0] in self.storages and is_view(
            node, self._shapes, self._readers[node.output[0]]
        ):
            self.storages |= dict.fromkeys(outputs, self.storages[node.input[0]])
        else:
            self._record_known(node, active, outputs)

    def _record_unknown(self, node: Any, active: list[str], outputs: list[str]) -> None:
        name = f"{node.domain}.{node.op_type}".lstrip(".")
        self.recorder.uncounted.add(name)
        self.recorder.unsized.add(name)
        for output in outputs:
            self.storages[output] = self.recorder.record(
                "other", name.lower(), self._reads(active), self._elements(output) or 0
            )

    def _record_known(self, node: Any, active: list[str], outputs: list[str]) -> None:
        name = node.op_type
        macs = macs_of(node, self._shapes)
        if macs is None:
            self.recorder.uncounted.add(name)
        if name in QUANTISED or any(self._elements(output) is None for output in outputs):
            self.recorder.unsized.add(name)
        constants = [
            self._elements(operand) or 0 for operand in node.input if operand in self._constants
        ]
        for position, output in enumerate(outputs):
            # Multiply-adds count for the first output; the others are further results of it.
            first = position == 0
            self.storages[output] = self.recorder.record(
                kind_of(node, self._constants) if first else "part",
                name.lower(),
                self._reads(active),
                self._elements(output) or 0,
                macs=(macs or 0) if first else 0,
                constants=constants,
                shape=self._shapes.get(output),
                window=window_of(node, self._shapes),
            )

    def _reads(self, names: list[str]) -> list[tuple[int, int]]:
        sizes = self.recorder.sizes
        return [
            (storage, sizes[storage] if elements is None else elements)
            for storage, elements in ((self.storages[name], self._elements(name)) for name in names)
        ]

    def _elements(self, name: str) -> int | None:
        shape = self._shapes.get(name)
        return None if shape is None else prod(shape)
