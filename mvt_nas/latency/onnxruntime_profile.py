"""Reading kernel times from ONNX Runtime's own profile.

Each event names the operator after all fusions and the shapes of its tensors. Operators that only
change the layout of tensors (reshapes, splits, reorders between blocked and plain layout) have no
counterpart in the lowering and are left out. They show in the factor between the sum of kernels and
the whole network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from mvt_nas.errors import LatencyError
from mvt_nas.latency.model.kernels import (
    SMALL_POSITIONS,
    Signature,
    padded_elements,
    whole_registers,
)

_BY_OPERATOR = {
    "QuickGelu": "activation",
    "Relu": "relu",
    "LayerNormalization": "layer_norm",
    "SkipLayerNormalization": "norm_after_add",
    "InstanceNormalization": "group_norm",
    "Add": "add",
    "Mul": "mul",
    "ReduceSum": "sum",
    "ReduceMean": "mean",
    "Concat": "concat",
    "Resize": "resize",
    "Upsample": "resize",
    "DepthToSpace": "fold",
}

# Classes with tensors in the blocked layout, where shapes count whole registers of channels.
_MAPS = ("activation", "relu", "add", "concat", "resize")

# Scopes of norms contain this; the product and the sum of a decomposed group norm are in such a
# scope.
_NORM = "/norm"

Shape = Sequence[int]


def read_events(events: Sequence[Mapping[str, Any]], runs: int) -> dict[Signature, float]:
    """Return milliseconds by kernel from the events of a profile of ``runs`` inferences.

    Raises:
        LatencyError: the events are not ``runs`` repetitions of the same kernels.
    """
    nodes = [
        event
        for event in events
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time")
    ]
    if not nodes or len(nodes) % runs:
        raise LatencyError(
            f"onnxruntime's profile of {runs} inferences has {len(nodes)} kernels; it cannot be"
            " read"
        )
    per_run = len(nodes) // runs
    durations_us = np.array([event["dur"] for event in nodes], dtype=float)
    durations_ms = durations_us.reshape(runs, per_run) / 1e3
    # Durations are rounded to microseconds and disturbed one by one: the second smallest of a dozen
    # is steady.
    low = np.sort(durations_ms, axis=0)[runs // 10]
    result: dict[Signature, float] = defaultdict(float)
    for event, ms in zip(nodes[:per_run], low, strict=True):
        signature = _signature(event)
        if signature is not None:
            result[signature] += float(ms)
    return dict(result)


def _signature(event: Mapping[str, Any]) -> Signature | None:
    """Return the signature of an event's kernel; ``None`` if the lowering has no such kernel."""
    arguments = event["args"]
    inputs = [shape for entry in arguments["input_type_shape"] for shape in entry.values()]
    output: Shape = next(iter(arguments["output_type_shape"][0].values()))
    operator = arguments["op_name"]
    if operator == "Conv":
        return _convolution(inputs[0], inputs[1], output)
    if operator in ("Gemm", "MatMul", "FusedMatMul"):
        return _product(operator, inputs[0], output)
    if operator == "Softmax":
        return Signature("softmax" if len(output) == 3 else "softmax_separable", prod(output))
    if operator == "Transpose":
        return _transpose(event["name"], output)
    kind = _BY_OPERATOR.get(operator)
    if kind == "fold" and prod(inputs[0][2:]) == 1:
        # The map was a single patch: no data has to move.
        kind = "whole_patch"
    if kind in ("add", "mul") and _NORM in event["name"]:
        kind = "group_norm"
    if kind is None:
        return None
    return Signature(kind, padded_elements(output) if kind in _MAPS else prod(output))


def _convolution(image: Shape, weight: Shape, output: Shape) -> Signature:
    """Return the signature of a convolution; weights are (C_out, C_in / groups, k, k)."""
    kernel = weight[2]
    inner = whole_registers(image[1])
    if kernel == 1:
        kind = "pointwise_small" if output[2] * output[3] < SMALL_POSITIONS else "pointwise"
    elif weight[1] == 1 and image[1] > 1:
        kind = "depthwise" if image[2:] == output[2:] else "depthwise_strided"
    else:
        kind = "stem" if image[1] == 3 else "convolution"
    return Signature(kind, padded_elements(output), inner)


def _product(operator: str, left: Shape, output: Shape) -> Signature:
    """Return the signature of a matrix product; only that of the scores is fused with its scale."""
    if operator == "Gemm":
        kind = "classifier" if left[0] == output[0] == 1 else "linear"
        return Signature(kind, prod(output), left[1])
    return Signature("scores" if operator == "FusedMatMul" else "values", prod(output), left[-1])


def _transpose(name: str, output: Shape) -> Signature:
    """Return the signature of a transpose; one with six axes is the one inside unfold or fold."""
    if len(output) != 6:
        return Signature("transpose", prod(output))
    # At most two axes longer than 1 after batch and channels: the patch is the whole map.
    if sum(size > 1 for size in output[2:]) <= 2:
        return Signature("whole_patch", prod(output))
    gathers = name.endswith("tokens/Transpose_kernel_time")
    return Signature("unfold" if gathers else "fold", prod(output))
