"""The sizes of all tensors in an ONNX file for a picture of one size.

Node by node in the order of the file, with onnx's own rules for each kind of node. Exporters write
arithmetic on sizes into the graph, so whatever follows from sizes and small constants alone is
computed on the way, with onnx's own reference implementation.

How many weights an ONNX file holds.

Weights are the floating-point initialisers with at least one axis that some node computes with;
int8 ones where they are dequantised or multiplied as they are. The means and variances of batch
norms are none, as in torch, nor are bounds, paddings, exponents, scales of quantisation, and the
ones and zeros by which exporters say that an instance norm has no weights (they write a group norm
with one). A weight counts once however often it is read. A copy by ``Identity`` counts by itself:
exporters store weights of equal values once, and give every other one its name by such a copy.
"""

from __future__ import annotations

from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import BaselineError

Shapes: TypeAlias = dict[str, tuple[int, ...]]
"""Shape of each tensor by its name; those that are not known are missing."""

_MOST_ELEMENTS = 10_000  # of a constant that sizes may be computed from


def with_shapes(model: Any, input_shape: tuple[int, int, int, int]) -> tuple[Any, Shapes]:
    """Return a model's graph, its own functions written out, and the shapes of its tensors for images of a shape (B, C, H, W).

    Raises:
        BaselineError: the network does not work on such images.
    """
    from onnx.inliner import inline_local_functions
    from onnx.shape_inference import InferenceError

    written_out = inline_local_functions(model) if model.functions else model
    sizes = _Sizes(written_out, input_shape)
    for node in written_out.graph.node:
        try:
            sizes.infer(node)
        except InferenceError as error:
            reason = " ".join(str(error).split())[:200]
            raise BaselineError(
                f"the network fails on images of shape {input_shape}: {node.op_type}, {reason}"
            ) from None
    return written_out.graph, sizes.shapes


class _Sizes:
    """What is known of the tensors so far: types, and values where they are small and follow from sizes alone."""

    def __init__(self, model: Any, input_shape: tuple[int, int, int, int]) -> None:
        import onnx

        self.shapes: Shapes = {}
        self._types: dict[str, Any] = {}
        self._values: dict[str, NDArray[Any]] = {}
        self._opsets = list(model.opset_import)
        self._versions = {entry.domain: entry.version for entry in self._opsets}
        for tensor in model.graph.initializer:
            self._take(
                tensor.name, onnx.helper.make_tensor_type_proto(tensor.data_type, list(tensor.dims))
            )
            if self._small(tensor.name) and tensor.data_location != onnx.TensorProto.EXTERNAL:
                self._values[tensor.name] = onnx.numpy_helper.to_array(tensor)
        for entry in model.graph.input:
            if entry.name not in self._types:
                self._take(
                    entry.name,
                    onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, list(input_shape)),
                )

    def infer(self, node: Any) -> None:
        """Find out about a node's results; where its kind is none of onnx's, nothing is known of them."""
        import onnx
        from onnx.shape_inference import infer_node_outputs

        names = [name for name in node.input if name]
        nested = any(entry.HasField("g") for entry in node.attribute)
        if nested or not all(name in self._types for name in names):
            return
        try:
            schema = onnx.defs.get_schema(
                node.op_type, self._versions.get(node.domain, 1), node.domain
            )
        except onnx.defs.SchemaError:
            return
        values = {
            name: onnx.numpy_helper.from_array(self._values[name])
            for name in names
            if name in self._values
        }
        types = {name: self._types[name] for name in names}
        for name, found in infer_node_outputs(
            schema, node, types, values, opset_imports=self._opsets
        ).items():
            self._take(name, found)
        self._compute(node, names)

    def _take(self, name: str, found: Any) -> None:
        self._types[name] = found
        tensor = found.tensor_type
        sizes = [size.dim_value if size.HasField("dim_value") else -1 for size in tensor.shape.dim]
        if tensor.HasField("shape") and min(sizes, default=0) >= 0:
            self.shapes[name] = tuple(sizes)

    def _compute(self, node: Any, names: list[str]) -> None:
        """Compute the value of a node's result where it follows from sizes and small constants."""
        if node.op_type in ("Shape", "Size") and names[0] in self.shapes:
            values = [np.broadcast_to(np.float32(0), self.shapes[names[0]])]
        elif all(name in self._values for name in names) and all(
            map(self._small, filter(None, node.output))
        ):
            values = [self._values[name] for name in names]
        else:
            return
        for name, value in zip(
            node.output,
            _run(node, dict(zip(names, values, strict=True)), self._versions),
            strict=False,
        ):
            self._values[name] = value

    def _small(self, name: str) -> bool:
        return name in self.shapes and int(np.prod(self.shapes[name])) <= _MOST_ELEMENTS


def _run(
    node: Any, values: dict[str, NDArray[Any]], versions: dict[str, int]
) -> list[NDArray[Any]]:
    """Return what a node makes of some values; nothing where onnx has no reference for that."""
    from onnx import ValueInfoProto
    from onnx.helper import make_graph
    from onnx.reference import ReferenceEvaluator

    inputs, outputs = (
        [ValueInfoProto(name=name) for name in names]
        for names in (values, filter(None, node.output))
    )
    try:
        results = ReferenceEvaluator(
            make_graph([node], "one", inputs, outputs), opsets=versions
        ).run(None, values)
    except Exception:  # whatever an implementation raises on what it does not know
        return []
    return [value for value in results if isinstance(value, np.ndarray)]


_NEVER: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (3, 4),
    "Clip": (1, 2),
    "Pad": (2,),
    "Pow": (1,),
    "QuantizeLinear": (1, 2),
    "DequantizeLinear": (1, 2),
    "QLinearConv": (1, 2, 4, 5, 6, 7),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "Range": (0, 1, 2),
    "Resize": (1, 2, 3),
    "Upsample": (1,),
    "Shape": (0,),
    "Size": (0,),
    "Identity": (0,),
}
"""By kind of node the inputs that are no weights."""

_ALWAYS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "MatMul": (0, 1),
}
"""By kind of node the inputs that are weights although a constant within the graph holds them."""

_WHOLE_NUMBERS: dict[str, tuple[int, ...]] = {
    "DequantizeLinear": (0,),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
}
"""By kind of node the inputs that are weights although they are whole numbers."""


def count_weights(graph: Any) -> int:
    """Return the number of weights in a graph."""
    import onnx

    floats = {
        getattr(onnx.TensorProto, name) for name in ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")
    }
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    inline = {
        node.output[0]: tensor for node in graph.node if (tensor := _constant(node)) is not None
    }
    used: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in tensors:
            tensors[node.output[0]] = tensors[node.input[0]]
        for place, name in enumerate(node.input):
            tensor = tensors.get(name, inline.get(name))
            if tensor is None or place in _NEVER.get(node.op_type, ()):
                continue
            if node.op_type == "InstanceNormalization" and _filled(
                tensor, 1.0 if place == 1 else 0.0
            ):
                continue
            there = name in tensors or place in _ALWAYS.get(node.op_type, ())
            kind = tensor.data_type in floats or place in _WHOLE_NUMBERS.get(node.op_type, ())
            if there and kind and tensor.dims:
                used[name] = prod(tensor.dims)
    return sum(used.values())


def _filled(tensor: Any, value: float) -> bool:
    import onnx

    return tensor.data_location != onnx.TensorProto.EXTERNAL and bool(
        (onnx.numpy_helper.to_array(tensor) == value).all()
    )


def _constant(node: Any) -> Any:
    values = [
        attribute.t
        for attribute in node.attribute
        if node.op_type == "Constant" and attribute.name == "value"
    ]
    return values[0] if values else None
