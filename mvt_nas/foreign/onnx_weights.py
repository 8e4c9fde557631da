"""How many weights an ONNX file holds.

Weights are the floating-point initialisers with at least one axis that some node computes with; int8 ones where they are dequantised or
multiplied as they are. The means and variances of batch norms are none, as in torch, nor are bounds, paddings, exponents, scales of
quantisation, and the ones and zeros by which exporters say that an instance norm has no weights (they write a group norm with one). A
weight counts once however often it is read. A copy by ``Identity`` counts by itself: exporters store weights of equal values once, and
give every other one its name by such a copy.
"""

from __future__ import annotations

from math import prod
from typing import Any

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

    floats = {getattr(onnx.TensorProto, name) for name in ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")}
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    inline = {node.output[0]: tensor for node in graph.node if (tensor := _constant(node)) is not None}
    used: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in tensors:
            tensors[node.output[0]] = tensors[node.input[0]]
        for place, name in enumerate(node.input):
            tensor = tensors.get(name, inline.get(name))
            if tensor is None or place in _NEVER.get(node.op_type, ()):
                continue
            if node.op_type == "InstanceNormalization" and _filled(tensor, 1.0 if place == 1 else 0.0):
                continue
            there = name in tensors or place in _ALWAYS.get(node.op_type, ())
            kind = tensor.data_type in floats or place in _WHOLE_NUMBERS.get(node.op_type, ())
            if there and kind and tensor.dims:
                used[name] = prod(tensor.dims)
    return sum(used.values())


def _filled(tensor: Any, value: float) -> bool:
    import onnx

    return tensor.data_location != onnx.TensorProto.EXTERNAL and bool((onnx.numpy_helper.to_array(tensor) == value).all())


def _constant(node: Any) -> Any:
    values = [attribute.t for attribute in node.attribute if node.op_type == "Constant" and attribute.name == "value"]
    return values[0] if values else None
