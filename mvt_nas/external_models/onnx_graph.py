"""An ONNX graph written down as steps, node by node in the order of the file, which is one of execution."""

from __future__ import annotations

from collections import defaultdict
from math import prod
from typing import Any

from mvt_nas.errors import BaselineError
from mvt_nas.external_models.graph_recorder import GraphRecorder
from mvt_nas.external_models.onnx_kernels import (
    OPAQUE,
    QUANTISED,
    WITHOUT_DATA,
    is_view,
    kind_of,
    macs_of,
)
from mvt_nas.external_models.onnx_shapes import Shapes


def read_graph(graph: Any, shapes: Shapes) -> GraphRecorder:
    """Return what a graph computes.

    Raises:
        BaselineError: a node reads what none before it has made.
    """
    reader = _Reader(graph, shapes)
    for node in graph.node:
        reader.read(node)
    recording = reader.recording
    recording.results = {
        reader.storages[entry.name] for entry in graph.output if entry.name in reader.storages
    }
    return recording


class _Reader:
    def __init__(self, graph: Any, shapes: Shapes) -> None:
        self.recording = GraphRecorder()
        self.storages: dict[str, int] = {}
        self._shapes = shapes
        self._constants = {
            tensor.name
            for tensor in (
                *graph.initializer,
                *(entry.values for entry in graph.sparse_initializer),
            )
        }
        self._readers: defaultdict[str, list[str]] = defaultdict(list)
        for node in graph.node:
            for name in node.input:
                self._readers[name].append(node.op_type)
        for entry in graph.input:
            if entry.name not in self._constants:
                self.storages[entry.name] = self.recording.storage(prod(shapes[entry.name]))

    def read(self, node: Any) -> None:
        for name in filter(None, node.input):
            if name not in self.storages and name not in self._constants:
                raise BaselineError(
                    f"the file is cut off or damaged: {node.op_type} reads {name!r}, which nothing"
                    " before it makes"
                )
        active = [name for name in node.input if name in self.storages]
        outputs = [name for name in node.output if name]
        if node.op_type in OPAQUE or node.domain not in ("", "ai.onnx"):
            self._read_opaque(node, active, outputs)
        elif not active or node.op_type in WITHOUT_DATA:
            self._constants.update(outputs)
        elif node.input[0] in self.storages and is_view(
            node, self._shapes, self._readers[node.output[0]]
        ):
            self.storages |= dict.fromkeys(outputs, self.storages[node.input[0]])
        else:
            self._read_step(node, active, outputs)

    def _read_opaque(self, node: Any, active: list[str], outputs: list[str]) -> None:
        name = f"{node.domain}.{node.op_type}".lstrip(".")
        self.recording.uncounted.add(name)
        self.recording.unplaced.add(name)
        for output in outputs:
            self.storages[output] = self.recording.step(
                "other", name.lower(), self._reads(active), self._elements(output) or 0
            )

    def _read_step(self, node: Any, active: list[str], outputs: list[str]) -> None:
        macs, name = macs_of(node, self._shapes), node.op_type
        if macs is None:
            self.recording.uncounted.add(name)
        if name in QUANTISED or any(self._elements(output) is None for output in outputs):
            self.recording.unplaced.add(name)
        constant = max(
            (self._elements(operand) or 0 for operand in node.input if operand in self._constants),
            default=0,
        )
        for place, output in enumerate(outputs):
            kind, share = ("part", 0) if place else (kind_of(node, self._constants), macs or 0)
            elements = self._elements(output) or 0
            self.storages[output] = self.recording.step(
                kind, name.lower(), self._reads(active), elements, macs=share, constant=constant
            )

    def _reads(self, names: list[str]) -> list[int]:
        return [self.storages[name] for name in names]

    def _elements(self, name: str) -> int | None:
        shape = self._shapes.get(name)
        return None if shape is None else prod(shape)
