"""Kernels of external models in the terms of the lowering, for which latency models predict times.

A recorded operation becomes the kernel that the lowering of an equal network has: a network of
mvt-nas, exported and read back, has the same kernels. Operations that no lowering has, such as
pooling with a window, have no kernel, and are listed with the data that they move.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from mvt_nas.blocks.graph import Graph, Op, Tensor
from mvt_nas.external_models.graph_recorder import ARITHMETIC, GraphRecorder
from mvt_nas.external_models.recorded_op import RecordedOp

_RECTIFIERS = {"relu", "relu6", "hardtanh", "clip", "clamp", "clamp_min", "threshold"}
_CASTS = {"cast", "_to_copy"}
_SUMS = {"add", "sub", "rsub", "sum"}
_SOFTMAX = {"softmax", "_softmax", "logsoftmax", "_log_softmax"}
_GROUP_NORMS = {"native_group_norm", "groupnormalization", "instancenormalization", "batch_norm"}
_OTHERS = {
    "mean": {"mean", "reducemean", "globalaveragepool"},
    "sum": {"sum", "reducesum"},
    "concat": {"cat", "concat"},
    "transpose": {
        "transpose",
        "clone",
        "copy",
        "_to_copy",
        "channel_shuffle",
    },
    "unfold": {"pixel_unshuffle", "spacetodepth"},
    "fold": {"pixel_shuffle", "depthtospace"},
    "resize": {"resize", "upsample", "upsample_bilinear2d", "upsample_nearest2d"},
}
_AVERAGES = {"avg_pool2d", "averagepool", "_adaptive_avg_pool2d"}
_AFTER_CLASSIFIER = ("softmax", "activation")
_IMAGE = 0
"""Storage of the image."""


@dataclass(frozen=True, slots=True)
class KernelGraph:
    """Kernels of one inference of one image.

    Attributes:
        ops: Kernels in order.
        missing: Elements that are moved by operations without a kernel, by the name of the
            operation.
        uncounted: Names of operations whose work is not known at all.
        outputs: Numbers that the network returns for an image, where it is a vector; else
            ``None``.
        classifier_inputs: Inputs of the linear layer or 1 x 1 convolution that returns them;
            ``None`` where something else does.
    """

    ops: tuple[Op, ...]
    missing: Mapping[str, int]
    uncounted: tuple[str, ...]
    outputs: int | None = None
    classifier_inputs: int | None = None

    @property
    def missing_share(self) -> float:
        """Share of the data moved that operations without a kernel move, 0 to 1."""
        missing = sum(self.missing.values())
        moved = missing + sum(int(op.moved) for op in self.ops)
        return missing / moved if moved else 0.0

    def graph(self, batch_size: int = 1) -> Graph:
        """Return the kernels for a number of images per inference."""
        graph = Graph()
        graph.ops = [_of_batch(op, batch_size) for op in self.ops]
        return graph


def kernel_graph(recorder: GraphRecorder) -> KernelGraph:
    """Return the kernels of a recorded computation."""
    recorded = [op for op in recorder.kernels() if op.kind != "part"]
    readers: defaultdict[int, set[str]] = defaultdict(set)
    for op in recorded:
        for storage in op.reads:
            readers[storage].add(op.kind)
    ops = []
    missing: defaultdict[str, int] = defaultdict(int)
    for op in recorded:
        kernel = _kernel(op, recorder.sizes, readers[op.writes])
        if kernel is None:
            missing[op.name] += sum(op.elements) + recorder.sizes[op.writes]
        else:
            ops.append(kernel)
    unknown = {name.lower() for name in recorder.uncounted}
    unknown |= {op.name for op in recorded if op.shape is None}
    outputs, inputs = _classifier(recorder, ops)
    return KernelGraph(tuple(ops), dict(missing), tuple(sorted(unknown)), outputs, inputs)


def _classifier(recorder: GraphRecorder, ops: Sequence[Op]) -> tuple[int | None, int | None]:
    """Return outputs and inputs of the layer that makes the network's only result."""
    if len(recorder.results) != 1:
        return None, None
    writers = {op.output.storage: op for op in ops}
    (result,) = recorder.results
    last = writers.get(result)
    while last is not None and last.kind in _AFTER_CLASSIFIER:
        last = writers.get(last.inputs[0].storage)
    if last is None or prod(last.output.shape[2:]) != 1:
        return None, None
    outputs = int(last.output.elements)
    return outputs, int(last.macs) // outputs if last.kind in ("linear", "conv") else None


def _kernel(op: RecordedOp, sizes: Sequence[int], readers: set[str]) -> Op | None:
    """Return the kernel of an operation; ``None`` where no lowering has one."""
    if op.shape is None:
        return None
    kind_and_name = _kind_and_name(op)
    if kind_and_name is None:
        return None
    kind, name = kind_and_name
    elements = sizes[op.writes]
    shape = _shape(kind, op.shape or (1,), readers)
    first = op.reads[:1] == (_IMAGE,)
    return Op(
        kind,
        name,
        tuple(
            Tensor((1, 1, 1, elements), storage, elements)
            for storage, elements in zip(op.reads, op.elements, strict=True)
        ),
        Tensor(shape, op.writes, elements),
        macs=op.macs,
        weights=op.weights if kind in ("conv", "linear", "norm") else 0,
        kernel=op.window.kernel if op.window else 1,
        stride=op.window.stride if op.window else 1,
        scope="stem" if first else "",
    )


def _kind_and_name(op: RecordedOp) -> tuple[str, str] | None:
    if op.kind == "conv":
        return _convolution(op)
    if op.kind in ("linear", "matmul"):
        return op.kind, op.kind
    if op.kind == "norm":
        return "norm", "group_norm" if op.name in _GROUP_NORMS else "layer_norm"
    if op.kind == "batch_norm":
        return "mul", "scale"
    if op.kind == "elementwise":
        return _elementwise(op)
    if op.name in _SOFTMAX:
        return "softmax", "softmax"
    if op.name in _AVERAGES:
        # A window as large as the map is a global mean.
        return ("mean", "mean") if prod((op.shape or ())[2:]) == 1 else None
    kind = next((kind for kind, names in _OTHERS.items() if op.name in names), None)
    if kind == "transpose" and len(op.shape or ()) > 4:
        # Patches are unfolded by a transpose of rows and columns, both inside and between patches.
        kind = "unfold"
    return None if kind is None else (kind, kind)


def _convolution(op: RecordedOp) -> tuple[str, str] | None:
    window = op.window
    if window is None or window.transposed or len(op.shape or ()) > 4:
        return None
    depthwise = "depthwise " if window.depthwise else ""
    return "conv", f"{depthwise}{window.kernel}x{window.kernel}"


def _elementwise(op: RecordedOp) -> tuple[str, str]:
    if len(op.reads) > 1:
        return ("add", "add") if op.name in _SUMS else ("mul", "mul")
    names = {op.name, *op.fused} - _CASTS
    if names <= set(ARITHMETIC):
        return "mul", "scale"
    return "activation", "relu" if names <= _RECTIFIERS else "silu"


def _shape(kind: str, shape: tuple[int, ...], readers: set[str]) -> tuple[int, ...]:
    """Return the shape of a result as the lowering writes it."""
    if kind == "conv":
        # Convolutions along one axis count as maps of width 1.
        return shape + (1,) * (4 - len(shape))
    if kind == "linear" and len(shape) == 2 and shape[0] > 1:
        # torch multiplies all tokens of an image as the rows of one matrix.
        return (1, *shape)
    if kind == "transpose" and len(shape) == 4 and readers == {"linear"}:
        # Heads are joined again: (B, tokens, heads, channels) is read as (B, tokens, channels).
        return (*shape[:2], shape[2] * shape[3])
    if kind == "unfold" and len(shape) >= 4:
        # Rows of patches are one axis: (B, C, patches).
        return (shape[0], prod(shape[1:-2]), 1, prod(shape[-2:]))
    if kind == "mean" and len(shape) == 4 and shape[2:] == (1, 1):
        return shape[:2]
    if kind == "softmax" and len(shape) == 4 and "matmul" in readers:
        # Heads are groups in the lowering.
        return (shape[0] * shape[1], *shape[2:])
    return shape if len(shape) > 1 else (1, *shape)


def _of_batch(op: Op, batch_size: int) -> Op:
    if batch_size == 1:
        return op
    return op._replace(
        inputs=tuple(_tensor_of_batch(tensor, batch_size) for tensor in op.inputs),
        output=_tensor_of_batch(op.output, batch_size),
        macs=op.macs * batch_size,
    )


def _tensor_of_batch(tensor: Tensor, batch_size: int) -> Tensor:
    shape = (tensor.shape[0] * batch_size, *tensor.shape[1:])
    return Tensor(shape, tensor.storage, tensor.elements * batch_size)
