"""Shapes of all tensors in an ONNX graph for images of one size.

Nodes are visited in the order of the file, with onnx's own rules for each operator. Exporters write
arithmetic on sizes into the graph, so values that follow from sizes and small constants alone are
computed on the way, with onnx's own reference implementation.
"""

from __future__ import annotations

from math import prod
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ValueInfoProto
from onnx.helper import make_graph
from onnx.inliner import inline_local_functions
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import InferenceError, infer_node_outputs

from mvt_nas.errors import BaselineError

Shapes: TypeAlias = dict[str, tuple[int, ...]]
"""Tensor name -> shape; tensors of unknown shape are missing."""

# Constants above this number of elements take no part in arithmetic on sizes.
_MOST_ELEMENTS = 10_000


def infer_shapes(model: Any, input_shape: tuple[int, int, int, int]) -> tuple[Any, Shapes]:
    """Return a model's graph, its local functions inlined, and the shapes of its tensors.

    Args:
        model: an ONNX model.
        input_shape: shape of the images, (B, C, H, W).

    Raises:
        BaselineError: the network does not work on such images.
    """
    inlined = inline_local_functions(model) if model.functions else model
    inference = _ShapeInference(inlined, input_shape)
    for node in inlined.graph.node:
        try:
            inference.visit(node)
        except InferenceError as error:
            reason = " ".join(str(error).split())[:200]
            raise BaselineError(
                f"the network fails on images of shape {input_shape}: {node.op_type}, {reason}"
            ) from None
    return inlined.graph, inference.shapes


class _ShapeInference:
    """Types of the tensors so far, and values that are small and follow from sizes alone."""

    def __init__(self, model: Any, input_shape: tuple[int, int, int, int]) -> None:
        self.shapes: Shapes = {}
        self._types: dict[str, Any] = {}
        self._values: dict[str, NDArray[Any]] = {}
        self._opsets = list(model.opset_import)
        self._versions = {entry.domain: entry.version for entry in self._opsets}
        for tensor in model.graph.initializer:
            found = onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
            self._set_type(tensor.name, found)
            if self._is_small(tensor.name) and tensor.data_location != onnx.TensorProto.EXTERNAL:
                self._values[tensor.name] = onnx.numpy_helper.to_array(tensor)
        images = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, list(input_shape))
        for entry in model.graph.input:
            # Old files list their initializers among the inputs too.
            if entry.name not in self._types:
                self._set_type(entry.name, images)

    def visit(self, node: Any) -> None:
        """Infer the types of a node's outputs; they stay unknown for operators unknown to onnx."""
        inputs = [name for name in node.input if name]
        has_subgraph = any(entry.HasField("g") for entry in node.attribute)
        if has_subgraph or not all(name in self._types for name in inputs):
            return
        version = self._versions.get(node.domain, 1)
        try:
            schema = onnx.defs.get_schema(node.op_type, version, node.domain)
        except onnx.defs.SchemaError:
            return
        types = {name: self._types[name] for name in inputs}
        values = {
            name: onnx.numpy_helper.from_array(self._values[name])
            for name in inputs
            if name in self._values
        }
        outputs = infer_node_outputs(schema, node, types, values, opset_imports=self._opsets)
        for name, found in outputs.items():
            self._set_type(name, found)
        self._compute(node, inputs)

    def _set_type(self, name: str, found: Any) -> None:
        self._types[name] = found
        tensor = found.tensor_type
        sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
        if tensor.HasField("shape") and min(sizes, default=0) >= 0:
            self.shapes[name] = tuple(sizes)

    def _compute(self, node: Any, inputs: list[str]) -> None:
        """Compute the outputs of a node that follow from sizes and small constants."""
        if node.op_type in ("Shape", "Size") and inputs[0] in self.shapes:
            # Only the shape matters: one element, broadcast, takes no memory.
            arguments = [np.broadcast_to(np.float32(0), self.shapes[inputs[0]])]
        elif all(name in self._values for name in inputs) and all(
            map(self._is_small, filter(None, node.output))
        ):
            arguments = [self._values[name] for name in inputs]
        else:
            return
        results = _evaluate(node, dict(zip(inputs, arguments, strict=True)), self._versions)
        # An operator unknown to the reference implementation gives no results.
        self._values.update(zip(node.output, results, strict=False))

    def _is_small(self, name: str) -> bool:
        return name in self.shapes and prod(self.shapes[name]) <= _MOST_ELEMENTS


def _evaluate(
    node: Any, values: dict[str, NDArray[Any]], versions: dict[str, int]
) -> list[NDArray[Any]]:
    """Return the outputs of one node; none where onnx has no reference implementation."""
    inputs = [ValueInfoProto(name=name) for name in values]
    outputs = [ValueInfoProto(name=name) for name in node.output if name]
    try:
        graph = make_graph([node], "node", inputs, outputs)
        results = ReferenceEvaluator(graph, opsets=versions).run(None, values)
    except Exception:  # an implementation may raise anything on unexpected values
        return []
    return [value for value in results if isinstance(value, np.ndarray)]
