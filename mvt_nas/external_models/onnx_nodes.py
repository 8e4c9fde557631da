"""Properties of ONNX nodes as kernels: views, element-wise functions, and multiply-adds."""

from __future__ import annotations

import re
from math import prod
from typing import Any

import onnx

from mvt_nas.external_models.recorded_op import Window
from mvt_nas.onnx.shapes import Shapes

VIEWS = (
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Identity",
    "Dropout",
    "Split",
    "Slice",
    "Expand",
)
"""Operators whose results are the data of their first input in another shape, or a part of it."""

WITHOUT_DATA = ("Shape", "Size")
"""Operators that read the shape of their input only."""

WITH_SUBGRAPHS = ("If", "Loop", "Scan", "SequenceMap")
"""Operators that contain graphs."""

UNCOUNTED = ("RNN", "LSTM", "GRU", "DeformConv", "Attention", "DFT", "STFT")
"""Operators with multiply-adds that are not counted."""

QUANTISED = {
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
}
"""Operators whose data is not fp32."""

# Operator -> position of its weights, or of the second factor.
_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "ConvTranspose": 1}
_PRODUCTS = {"MatMul": 1, "MatMulInteger": 1, "QLinearMatMul": 3, "Gemm": 1}
_NORMS = (
    "LayerNormalization",
    "InstanceNormalization",
    "GroupNormalization",
    "RMSNormalization",
    "LpNormalization",
    "MeanVarianceNormalization",
)
_ARITHMETIC = (
    "Abs",
    "Add",
    "Ceil",
    "Div",
    "Floor",
    "Max",
    "Mean",
    "Min",
    "Mod",
    "Mul",
    "Neg",
    "Reciprocal",
    "Round",
    "Sign",
    "Sub",
    "Sum",
)
_FUNCTIONS = ("Cos", "Erf", "Exp", "Log", "Pow", "Sigmoid", "Sin", "Sqrt", "Tanh")
_RECTIFIERS = (
    "Celu",
    "Clip",
    "Elu",
    "HardSigmoid",
    "LeakyRelu",
    "PRelu",
    "Relu",
    "Selu",
    "Shrink",
    "ThresholdedRelu",
)
_ACTIVATIONS = (*_RECTIFIERS, "Gelu", "HardSwish", "Mish", "Softplus", "Softsign", "Swish")
_CONDITIONS = (
    "And",
    "Cast",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "Not",
    "Or",
    "Where",
    "Xor",
)
_ELEMENTWISE = {*_ARITHMETIC, *_FUNCTIONS, *_ACTIVATIONS, *_CONDITIONS}


def kind_of(node: Any, constants: set[str]) -> str:
    """Return the kind of a node.

    See :class:`~mvt_nas.external_models.graph_recorder.RecordedOp`.
    """
    name = node.op_type
    if name in _CONVOLUTIONS:
        return "conv"
    if name in _PRODUCTS:
        factors = {node.input[0], node.input[_PRODUCTS[name]]}
        return "linear" if factors & constants else "matmul"
    if name == "BatchNormalization":
        return "norm" if attribute(node, "training_mode", 0) else "batch_norm"
    if name in _NORMS:
        return "norm"
    return "elementwise" if name in _ELEMENTWISE else "other"


def macs_of(node: Any, shapes: Shapes) -> int | None:
    """Return the multiply-adds of a node; ``None`` where they are not known."""
    name = node.op_type
    try:
        if name == "ConvTranspose":
            # Each input element is multiplied with the (C_out / groups, k, k) weights of its
            # channel.
            return prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])
        if name in _CONVOLUTIONS:
            # Each output element sums over the (C_in / groups, k, k) weights of its channel.
            return prod(shapes[node.output[0]]) * prod(shapes[node.input[_CONVOLUTIONS[name]]][1:])
        if name in _PRODUCTS:
            summed_axis = -2 if attribute(node, "transA", 0) else -1
            return prod(shapes[node.output[0]]) * shapes[node.input[0]][summed_axis]
        if name == "Einsum":
            return _einsum_macs(node, shapes)
    except KeyError:
        return None
    return None if name in UNCOUNTED else 0


def window_of(node: Any, shapes: Shapes) -> Window | None:
    """Return the window of a convolution; ``None`` for other nodes, and for unknown shapes."""
    name = node.op_type
    if name not in _CONVOLUTIONS:
        return None
    image, weights = shapes.get(node.input[0]), shapes.get(node.input[_CONVOLUTIONS[name]])
    if image is None or weights is None:
        return None
    groups = attribute(node, "group", 1)
    return Window(
        kernel=max(weights[2:], default=1),
        stride=max(attribute(node, "strides", [1])),
        depthwise=1 < groups == image[1],
        transposed=name == "ConvTranspose",
    )


def is_view(node: Any, shapes: Shapes, readers: list[str]) -> bool:
    """Return True if a node moves no data.

    Args:
        node: the node.
        shapes: shapes of the tensors.
        readers: operators that read the node's result.
    """
    if node.op_type == "Gather":
        # A scalar index selects a part.
        return shapes.get(node.input[1]) == ()
    if node.op_type != "Transpose":
        return node.op_type in VIEWS
    shape = shapes.get(node.input[0])
    if shape is None:
        return False
    rank = len(shape)
    # Without the attribute, all axes are reversed.
    permutation = list(attribute(node, "perm", range(rank)[::-1]))
    swaps_last_two = permutation == [*range(rank - 2), rank - 1, rank - 2]
    # A matrix product reads its factors transposed or not.
    only_products = bool(readers) and set(readers) <= {"MatMul", "Gemm"}
    return swaps_last_two and only_products


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return the value of a node's attribute."""
    for entry in node.attribute:
        if entry.name == name:
            return onnx.helper.get_attribute_value(entry)
    return default


def _einsum_macs(node: Any, shapes: Shapes) -> int | None:
    """Return the multiply-adds of a product of two tensors; ``None`` for other expressions.

    There is one for each combination of the result's axes and the axes that both factors are summed
    over.
    """
    equation = attribute(node, "equation", b"").decode().replace(" ", "")
    match = re.fullmatch(r"([A-Za-z]+),([A-Za-z]+)->([A-Za-z]*)", equation)
    if not match or len(node.input) != 2:
        return None
    if any(len(set(axes)) != len(axes) for axes in match.groups()):
        return None
    left, right, kept = match.groups()
    sizes = dict(zip(left, shapes[node.input[0]], strict=True))
    sizes |= dict(zip(right, shapes[node.input[1]], strict=True))
    summed = set(left) & set(right) - set(kept)
    # Without a sum it is an element-wise product.
    return prod(sizes[axis] for axis in {*kept, *summed}) if summed else 0
