"""What the nodes of an ONNX graph are as kernels: which are views, which are element-wise, how many multiply-adds they have."""

from __future__ import annotations

import re
from math import prod
from typing import Any

from mvt_nas.external_models.onnx_shapes import Shapes

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
"""Nodes whose results are the data that they read under another shape, or a part of it."""

WITHOUT_DATA = ("Shape", "Size")
"""Nodes that read no data, whatever they are given."""

OPAQUE = ("If", "Loop", "Scan", "SequenceMap")
"""Nodes with graphs of their own."""

UNCOUNTED = ("RNN", "LSTM", "GRU", "DeformConv", "Attention", "DFT", "STFT")
"""Nodes with multiply-adds that are not counted."""

QUANTISED = {
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "ConvInteger",
    "MatMulInteger",
    "QLinearConv",
    "QLinearMatMul",
}
"""Nodes whose data is not fp32."""

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
    """Return the kind of a step that a node is (see :class:`mvt_nas.external_models.graph_recorder.RecordedOp`)."""
    name = node.op_type
    if name in _CONVOLUTIONS:
        return "conv"
    if name in _PRODUCTS:
        return "linear" if {node.input[0], node.input[_PRODUCTS[name]]} & constants else "matmul"
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
            return prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])
        if name in _CONVOLUTIONS:
            return prod(shapes[node.output[0]]) * prod(shapes[node.input[_CONVOLUTIONS[name]]][1:])
        if name in _PRODUCTS:
            return (
                prod(shapes[node.output[0]])
                * shapes[node.input[0]][-2 if attribute(node, "transA", 0) else -1]
            )
        if name == "Einsum":
            return _einsum_macs(node, shapes)
    except KeyError:
        return None
    return None if name in UNCOUNTED else 0


def is_view(node: Any, shapes: Shapes, readers: list[str]) -> bool:
    """Return whether a node moves nothing; ``readers`` are the kinds of the nodes that read its result."""
    if node.op_type == "Gather":
        return shapes.get(node.input[1]) == ()
    if node.op_type != "Transpose":
        return node.op_type in VIEWS
    shape = shapes.get(node.input[0])
    if shape is None:
        return False
    rank = len(shape)
    rows_and_columns = list(attribute(node, "perm", range(rank)[::-1])) == [
        *range(rank - 2),
        rank - 1,
        rank - 2,
    ]
    return (
        rows_and_columns and bool(readers) and set(readers) <= {"MatMul", "Gemm"}
    )  # a product reads either


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return the value of a node's attribute."""
    import onnx

    for entry in node.attribute:
        if entry.name == name:
            return onnx.helper.get_attribute_value(entry)
    return default


def _einsum_macs(node: Any, shapes: Shapes) -> int | None:
    """Return the multiply-adds of a product of two tensors: one for each element of the result and of what is summed over in both."""
    equation = attribute(node, "equation", b"").decode().replace(" ", "")
    match = re.fullmatch(r"([A-Za-z]+),([A-Za-z]+)->([A-Za-z]*)", equation)
    if (
        not match
        or len(node.input) != 2
        or any(len(set(axes)) != len(axes) for axes in match.groups())
    ):
        return None
    left, right, kept = match.groups()
    sizes = dict(zip(left, shapes[node.input[0]], strict=True)) | dict(
        zip(right, shapes[node.input[1]], strict=True)
    )
    summed = set(left) & set(right) - set(kept)
    return prod(sizes[axis] for axis in {*kept, *summed}) if summed else 0
