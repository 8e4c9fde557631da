"""One operation of a recorded computation."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a convolution.

    Attributes:
        kernel: Longest side of the window.
        stride: Largest step of the window.
        depthwise: Whether each channel is convolved separately.
        transposed: Whether it is a transposed convolution.
    """

    kernel: int
    stride: int
    depthwise: bool
    transposed: bool


@dataclass(frozen=True, slots=True)
class RecordedOp:
    """One operation of a computation.

    Attributes:
        kind: ``conv``, ``linear`` (a product with constant weights), ``matmul``, ``batch_norm``,
            ``norm``, ``elementwise``, ``part`` (a further result of the previous operation) or
            ``other``.
        name: Name of the operation, in lower case.
        reads: Storages of its inputs, constants left out.
        elements: Elements that it reads of each of them, which is fewer for a view of a part.
        writes: Storage of its result.
        macs: Multiply-adds.
        constant: Elements of the largest constant among its inputs.
        weights: Elements of all constants among its inputs, and of biases that were folded into it.
        shape: Shape of its result; ``None`` where it is not known.
        window: Window of a convolution.
        fused: Names of the operations that became part of this one.
    """

    kind: str
    name: str
    reads: tuple[int, ...]
    elements: tuple[int, ...]
    writes: int
    macs: int = 0
    constant: int = 0
    weights: int = 0
    shape: tuple[int, ...] | None = None
    window: Window | None = None
    fused: tuple[str, ...] = ()


def with_folded(target: RecordedOp, op: RecordedOp) -> RecordedOp:
    """Return an operation after folding another one, which may leave a bias, into its weights."""
    target = replace(target, writes=op.writes, fused=(*target.fused, op.name))
    if target.kind == "norm":
        # Exporters reshape the input of a norm to groups, and scale its channels after that.
        return replace(target, weights=target.weights + op.constant, shape=op.shape)
    if target.shape is None:
        return target
    channels = target.shape[1 if target.kind == "conv" else -1]
    # Only one bias is left, however many shifts are folded.
    return replace(target, weights=max(target.weights, target.constant + channels))
