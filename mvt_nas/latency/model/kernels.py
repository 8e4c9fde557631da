"""Kernel classes, and the terms that their running time depends on.

MACs say little about milliseconds: activations, norms, transposes and unfolding have none, and the
matrix products of attention run at another rate than convolutions. So each op of the lowering is
put into a class, and its time is a sum of few physical terms with one non-negative coefficient per
class and term: a fixed cost per call, multiply-adds, lanes of the vector unit that stay idle, bytes
read, written and of weights, rows that are handled one by one, and bytes that do not fit into a
cache. The sum is linear in the coefficients, so that profiles are fitted as convex problems. Sizes
may be arrays, so that cost tables cover whole spaces.
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
"""Terms of a kernel's time.

- ``calls``: always 1.
- ``macs``: multiply-adds, in 10**6.
- ``idle_macs``: multiply-adds that idle lanes of the vector unit could have computed, in 10**6.
- ``read``, ``written``, ``weights``: bytes of the inputs, the output and the weights, in 10**6.
- ``rows``: rows along the last axis of the output, in 10**3.
- ``over_Nmb``: bytes read and written beyond a cache of N * 10**6 bytes, in 10**6.
"""

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
"""Kernel classes in groups, which are scaled together where the data is too little for each."""

CLASSES = tuple(name for members in GROUPS.values() for name in members)
"""All kernel classes."""

LANES = 16
"""Numbers in the widest vector register that processors have (512 bits of fp32)."""

SMALL_POSITIONS = 100
"""Pointwise convolutions of maps with fewer positions form a class of their own."""

# Ops whose outputs may be in the blocked layout, whose channels fill whole registers.
_MAPS = ("activation", "add", "concat", "resize")
_CACHES_MB = {"over_2mb": 2, "over_8mb": 8, "over_24mb": 24}


@dataclass(frozen=True, slots=True)
class Kernel:
    """An op of the lowering and its class.

    Attributes:
        kind: One of :data:`CLASSES`.
        op: The op.
    """

    kind: str
    op: Op


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """The writer and the readers of each storage in a list of ops."""

    writers: dict[int, Op]
    readers: dict[int, list[Op]]

    def writer(self, tensor: Tensor) -> str | None:
        """Return the kind of the op that writes a tensor; ``None`` for the network's input."""
        op = self.writers.get(tensor.storage)
        return op.kind if op else None

    def readers_of(self, tensor: Tensor) -> list[str]:
        """Return the kinds of the ops that read a tensor."""
        return [op.kind for op in self.readers.get(tensor.storage, [])]


def kernels(ops: Sequence[Op]) -> list[Kernel]:
    """Return the ops with their classes; fused ops are recognised by their neighbours."""
    neighbours = _Neighbours({op.output.storage: op for op in ops}, {})
    for op in ops:
        for tensor in op.inputs:
            neighbours.readers.setdefault(tensor.storage, []).append(op)
    return [Kernel(_class_of(op, neighbours), op) for op in ops if op.kind != "call"]


@dataclass(frozen=True, slots=True)
class Signature:
    """Properties of a kernel known to a runtime's profile and to the lowering, to match the two.

    Attributes:
        kind: Class of the kernel.
        written: Elements of the output. Channels of a map are rounded up to whole registers, as
            runtimes store maps.
        inner: For convolutions, the input channels, rounded up too; for matrix products, the MACs
            per output element; 0 for all others.
    """

    kind: str
    written: int
    inner: int = 0


def signature(kernel: Kernel) -> Signature:
    """Return the signature of a kernel whose sizes are numbers."""
    op = kernel.op
    if op.kind == "conv":
        channels = whole_registers(op.inputs[0].shape[1])
        return Signature(kernel.kind, padded_elements(op.output.shape), channels)
    if op.kind in ("linear", "matmul"):
        return Signature(kernel.kind, op.output.elements, op.macs // op.output.elements)
    if op.kind in _MAPS:
        return Signature(kernel.kind, padded_elements(op.output.shape))
    return Signature(kernel.kind, op.output.elements)


def whole_registers(channels: int) -> int:
    """Return a number of channels rounded up to whole vector registers."""
    # Negated floor division rounds up.
    return -(-channels // LANES) * LANES


def padded_elements(shape: Sequence[int]) -> int:
    """Return the elements of a tensor; channels of maps (B, C, H, W) fill whole registers."""
    if len(shape) != 4:
        return prod(shape)
    batch, channels, height, width = shape
    return batch * whole_registers(channels) * height * width


def _class_of(op: Op, neighbours: _Neighbours) -> str:
    if op.kind == "conv":
        return _convolution(op)
    if op.kind == "linear":
        # The classifier's output is (B, classes), those of other linear layers have tokens too.
        return "classifier" if len(op.output.shape) == 2 else "linear"
    if op.kind == "matmul":
        # Attention multiplies queries with keys, then the softmax of these scores with values.
        return "values" if neighbours.writer(op.inputs[0]) == "softmax" else "scores"
    if op.kind == "softmax":
        return "softmax_separable" if len(op.output.shape) == 4 else "softmax"
    if op.kind == "activation":
        return "relu" if op.name == "relu" else "activation"
    if op.kind == "norm":
        return _norm(op, neighbours)
    if op.kind == "add":
        return _addition(op, neighbours)
    if op.kind in ("unfold", "fold") and 1 in (op.inputs[0].shape[3], op.output.shape[3]):
        # The map is a single patch: no data has to move.
        return "whole_patch"
    return op.name if op.kind == "mul" else op.kind


def _norm(op: Op, neighbours: _Neighbours) -> str:
    """Return the class of a norm; runtimes fuse a layer norm with the sum that only it reads."""
    source = op.inputs[0]
    fused = (
        op.name == "layer_norm"
        and neighbours.writer(source) == "add"
        and len(neighbours.readers_of(source)) == 1
    )
    return "norm_after_add" if fused else op.name


def _addition(op: Op, neighbours: _Neighbours) -> str:
    """Return the class of a sum; runtimes fuse some with the next norm or the convolution before.

    Tokens keep the plain layout, in which convolutions do not add. There the residual is also read
    by a norm, or by the transpose before one.
    """
    readers = neighbours.readers.get(op.output.storage, [])
    only_norm = len(readers) == 1 and readers[0].kind == "norm"
    if only_norm and _norm(readers[0], neighbours) == "norm_after_add":
        return "add_to_norm"
    after_convolution = False
    of_tokens = False
    for tensor in op.inputs:
        others = neighbours.readers_of(tensor)
        after_convolution |= neighbours.writer(tensor) == "conv" and len(others) == 1
        of_tokens |= "norm" in others or "transpose" in others
    return "add_to_convolution" if after_convolution and not of_tokens else "add"


def _convolution(op: Op) -> str:
    if op.name.startswith("depthwise"):
        return "depthwise" if op.stride == 1 else "depthwise_strided"
    if op.kernel > 1:
        return "stem" if op.scope == "stem" else "convolution"
    positions = op.output.shape[2] * op.output.shape[3]
    return "pointwise_small" if positions < SMALL_POSITIONS else "pointwise"


def term(name: str, kernel: Kernel) -> Size:
    """Return one of the :data:`TERMS` of a kernel, in its unit; an array where sizes are arrays."""
    op = kernel.op
    if name == "calls":
        return 1.0
    if name == "macs":
        return op.macs / 1e6
    if name == "idle_macs":
        # Vectors run along the channels of maps, and along the last axis of everything else.
        # ``-width % LANES`` lanes are idle in the last vector of each row of ``width`` numbers.
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
    # max(over, 0) in a form that works for numbers and for arrays.
    over = read + written - _CACHES_MB[name]
    return over * (over > 0)
