"""Number of weights in an ONNX graph.

Weights are the floating-point initializers with at least one axis that some node computes with;
integer ones where they are dequantized or multiplied as they are. The means and variances of batch
norms do not count, as in PyTorch. Neither do bounds, paddings, exponents, quantization scales, or
the ones and zeros by which exporters say that an instance norm has no weights (they write a group
norm with one). A weight counts once however often it is read. A copy by ``Identity`` counts by
itself: exporters store weights of equal values once, and name each other one by such a copy.
"""

from __future__ import annotations

from math import prod
from typing import Any

import onnx

_NOT_WEIGHTS: dict[str, tuple[int, ...]] = {
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
"""Operator -> positions of inputs that are never weights."""

_WEIGHTS_EVEN_INLINE: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gemm": (1, 2),
    "MatMul": (0, 1),
}
"""Operator -> positions of inputs that are weights even if a ``Constant`` node holds them."""

_INTEGER_WEIGHTS: dict[str, tuple[int, ...]] = {
    "DequantizeLinear": (0,),
    "ConvInteger": (1,),
    "MatMulInteger": (0, 1),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
}
"""Operator -> positions of inputs that are weights although they are integers."""

_FLOAT_TYPES = ("FLOAT", "FLOAT16", "BFLOAT16", "DOUBLE")


def count_weights(graph: Any) -> int:
    """Return the number of weights in a graph."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    inline = {}
    for node in graph.node:
        tensor = _constant_value(node)
        if tensor is not None:
            inline[node.output[0]] = tensor
    # Elements of each weight by its name: a weight that is read twice counts once.
    elements: dict[str, int] = {}
    for node in graph.node:
        if node.op_type == "Identity" and node.input[0] in tensors:
            tensors[node.output[0]] = tensors[node.input[0]]
        for position, name in enumerate(node.input):
            tensor = tensors.get(name, inline.get(name))
            if tensor is not None and _is_weight(
                node, position, tensor, is_inline=name not in tensors
            ):
                elements[name] = prod(tensor.dims)
    return sum(elements.values())


def _is_weight(node: Any, position: int, tensor: Any, *, is_inline: bool) -> bool:
    """Return True if a constant input of a node is a weight."""
    operator = node.op_type
    if position in _NOT_WEIGHTS.get(operator, ()):
        return False
    # The scale of a weightless instance norm is all ones, its bias all zeros.
    if operator == "InstanceNormalization" and _is_filled(tensor, 1.0 if position == 1 else 0.0):
        return False
    if is_inline and position not in _WEIGHTS_EVEN_INLINE.get(operator, ()):
        return False
    floats = {getattr(onnx.TensorProto, name) for name in _FLOAT_TYPES}
    if tensor.data_type not in floats and position not in _INTEGER_WEIGHTS.get(operator, ()):
        return False
    return bool(tensor.dims)


def _is_filled(tensor: Any, value: float) -> bool:
    """Return True if all elements of a tensor, stored in the file itself, are a value."""
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return False
    return bool((onnx.numpy_helper.to_array(tensor) == value).all())


def _constant_value(node: Any) -> Any:
    """Return the tensor of a ``Constant`` node; ``None`` for other nodes."""
    if node.op_type != "Constant":
        return None
    return next((entry.t for entry in node.attribute if entry.name == "value"), None)
