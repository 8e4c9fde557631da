"""Kernel classes and what their time depends on.

MACs say little about milliseconds: activations, norms, transposes and unfolding have none, and
attention's products run at another rate than convolutions. So each op of the lowering is put into a
class, and its time is a sum of few physical terms with one non-negative coefficient per class and
term: a fixed cost per call, multiply-adds, lanes of the vector unit that stay idle, bytes read,
written and of weights, rows that are handled one by one, and bytes that do not fit into a cache.
Linear in the coefficients, so that profiles are fitted as convex problems; sizes may be arrays, so
that cost tables fold whole spaces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from mvt_nas.blocks.graph import Op, Size, Tensor
from mvt_nas.cost.reductions import BYTES

TERMS = (
    "calls",
    "macs",
    "idle_macs",
    "read",
    "written",
    "weights",
    "rows",
    "over_2mb",
    "over_8mb",
    "over_24mb",
)
"""The terms of a kernel's time: calls in ones, MACs in 10**6, bytes in 10**6, rows in 10**3."""

GROUPS = {
    "pointwise": ("pointwise", "pointwise_small"),
    "convolution": ("stem", "convolution"),
    "depthwise": ("depthwise", "depthwise_strided"),
    "linear": ("linear", "classifier"),
    "attention": ("scores", "values", "softmax", "softmax_separable"),
    "elementwise": (
        "activation",
        "relu",
        "add",
        "add_to_convolution",
        "add_to_norm",
        "mul",
        "scale",
        "sum",
        "mean",
        "concat",
    ),
    "norm": ("layer_norm", "norm_after_add", "group_norm"),
    "layout": ("transpose", "unfold", "fold", "whole_patch", "resize"),
}
"""The classes, in groups that are scaled together where there is too little data for each."""

CLASSES = tuple(name for members in GROUPS.values() for name in members)

LANES = 16
"""Numbers in the widest vector register that processors have (512 bits of fp32)."""

SMALL_POSITIONS = 100
_MAPS = ("activation", "add", "concat", "resize")
_CACHES_MB = {"over_2mb": 2, "over_8mb": 8, "over_24mb": 24}


@dataclass(frozen=True, slots=True)
class Kernel:
    """An op with its class.

    Attributes:
        kind: one of :data:`CLASSES`.
        op: from the lowering.
    """

    kind: str
    op: Op


@dataclass(frozen=True, slots=True)
class _Around:
    """What writes and reads each storage in a list of ops."""

    writers: dict[int, Op]
    readers: dict[int, list[Op]]

    def writer(self, tensor: Tensor) -> str | None:
        found = self.writers.get(tensor.storage)
        return found.kind if found else None

    def read_by(self, tensor: Tensor) -> list[str]:
        return [op.kind for op in self.readers.get(tensor.storage, [])]


def kernels(ops: Sequence[Op]) -> list[Kernel]:
    """Return the ops with their classes; what a runtime fuses is recognised by its neighbours in the list."""
    around = _Around({op.output.storage: op for op in ops}, {})
    for op in ops:
        for tensor in op.inputs:
            around.readers.setdefault(tensor.storage, []).append(op)
    return [Kernel(_class_of(op, around), op) for op in ops if op.kind != "call"]


@dataclass(frozen=True, slots=True)
class Signature:
    """What a runtime's own profile and the lowering both know of a kernel, so that the one can be found in the other.

    Attributes:
        kind: the class.
        written: elements of the output, channels of a map rounded up to whole registers, as
            runtimes lay maps out.
        inner: for convolutions, input channels, rounded up too; for products, MACs per output
            element; 0 for all else.
    """

    kind: str
    written: int
    inner: int = 0


def signature(kernel: Kernel) -> Signature:
    """Return the signature of a kernel whose sizes are numbers."""
    op = kernel.op
    if op.kind == "conv":
        return Signature(
            kernel.kind, padded_elements(op.output.shape), whole_registers(op.inputs[0].shape[1])
        )
    if op.kind in ("linear", "matmul"):
        return Signature(kernel.kind, op.output.elements, op.macs // op.output.elements)
    return Signature(
        kernel.kind, padded_elements(op.output.shape) if op.kind in _MAPS else op.output.elements
    )


def whole_registers(channels: int) -> int:
    """Return a number of channels rounded up to whole vector registers."""
    return -(-channels // LANES) * LANES


def padded_elements(shape: Sequence[int]) -> int:
    """Return the elements of a tensor; of a map, (B, C, H, W), with its channels rounded up to whole registers."""
    return (
        prod(shape)
        if len(shape) != 4
        else shape[0] * whole_registers(shape[1]) * shape[2] * shape[3]
    )


def _class_of(op: Op, around: _Around) -> str:
    if op.kind == "conv":
        return _convolution(op)
    if op.kind == "linear":
        return "classifier" if len(op.output.shape) == 2 else "linear"
    if op.kind == "matmul":
        return "values" if around.writer(op.inputs[0]) == "softmax" else "scores"
    if op.kind == "softmax":
        return "softmax_separable" if len(op.output.shape) == 4 else "softmax"
    if op.kind == "activation":
        return "relu" if op.name == "relu" else "activation"
    if op.kind == "norm":
        return _norm(op, around)
    if op.kind == "add":
        return _addition(op, around)
    if op.kind in ("unfold", "fold") and 1 in (op.inputs[0].shape[3], op.output.shape[3]):
        return "whole_patch"  # the map is one patch: nothing has to move
    return op.name if op.kind == "mul" else op.kind


def _norm(op: Op, around: _Around) -> str:
    """Return the class of a norm: a layer norm that alone reads a sum is executed with it."""
    source = op.inputs[0]
    alone = (
        op.name == "layer_norm"
        and around.writer(source) == "add"
        and len(around.read_by(source)) == 1
    )
    return "norm_after_add" if alone else op.name


def _addition(op: Op, around: _Around) -> str:
    """Return the class of a sum: some are executed with the norm after them or with the convolution before them.

    Tokens keep the plain layout, in which convolutions do not add: there the residual is read by a
        norm too, or by the transpose
    that brings it to one.
    """
    readers = around.readers.get(op.output.storage, [])
    if (
        len(readers) == 1
        and readers[0].kind == "norm"
        and _norm(readers[0], around) == "norm_after_add"
    ):
        return "add_to_norm"
    by_convolution = any(
        around.writer(tensor) == "conv" and len(around.read_by(tensor)) == 1 for tensor in op.inputs
    )
    of_tokens = any({"norm", "transpose"} & set(around.read_by(tensor)) for tensor in op.inputs)
    return "add_to_convolution" if by_convolution and not of_tokens else "add"


def _convolution(op: Op) -> str:
    if op.name.startswith("depthwise"):
        return "depthwise" if op.stride == 1 else "depthwise_strided"
    if op.kernel > 1:
        return "stem" if op.scope == "stem" else "convolution"
    return (
        "pointwise_small"
        if op.output.shape[2] * op.output.shape[3] < SMALL_POSITIONS
        else "pointwise"
    )


def term(name: str, kernel: Kernel) -> Size:
    """Return one of the :data:`TERMS` of a kernel, in the unit given there; a number, or an array where sizes are arrays."""
    op = kernel.op
    if name == "calls":
        return 1.0
    if name == "macs":
        return op.macs / 1e6
    if name == "idle_macs":
        width = op.output.shape[1 if op.kind == "conv" else -1]
        return op.macs / 1e6 * ((-width % LANES) / width)
    if name == "rows":
        return op.output.elements / op.output.shape[-1] / 1e3
    if name == "weights":
        return op.weights * (BYTES / 1e6)
    read = sum(tensor.elements for tensor in op.inputs) * (BYTES / 1e6)
    if name == "read":
        return read
    written = op.output.elements * (BYTES / 1e6)
    if name == "written":
        return written
    over = read + written - _CACHES_MB[name]
    return over * (over > 0)
