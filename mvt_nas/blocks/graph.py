"""The intermediate representation: a flat list of kernels over named tensors.

A lowering builds a :class:`Graph` by calling one method per kernel, in the order in which a runtime
executes them, with batch norm folded into its convolution. Shapes may hold NumPy arrays in place of
numbers: then one lowering represents many architectures at once, which is how cost tables are
compiled. Nothing here needs torch or NumPy.

Counting conventions: one multiply-add is one MAC. Only convolutions, linear layers and matrix
products have MACs. A view (reshape, split) is not a kernel; a transpose is one. Tensors are counted
in elements.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Size: TypeAlias = Any
"""A number of elements, channels or MACs: an ``int``, or an integer array when many architectures
are lowered at once. It is ``Any``, since the result has the type of the argument: a caller who
lowers with integers uses what it gets as integers."""


class Tensor(NamedTuple):
    """A tensor in the graph (a named tuple, since a search makes millions).

    Attributes:
        shape: Sizes of its axes.
        storage: Number of its storage in the graph; a view has that of its base.
        elements: Number of elements.
    """

    shape: tuple[Size, ...]
    storage: int
    elements: Size


class Op(NamedTuple):
    """One kernel.

    Attributes:
        kind: ``conv``, ``linear``, ``matmul``, ``activation``, ``softmax``, ``norm``, ``add``,
            ``mul``, ``sum``, ``mean``, ``concat``, ``transpose``, ``unfold``, ``fold``, ``resize``;
            or ``call``, the place of a part that is lowered separately.
        name: Variant within the kind, such as ``silu`` or ``layer_norm``.
        inputs: Tensors that the kernel reads, weights excluded.
        output: Tensor that the kernel writes.
        macs: Multiply-adds.
        params: Trainable parameters, those of a folded norm included.
        weights: Elements of weights and biases read at inference, a folded norm's bias included.
        kernel: Side of the kernel window.
        stride: Step of the window.
        groups: Channel groups of a convolution.
        dilation: Distance between neighbouring elements of the window.
        scope: Part of the network, such as ``stage3.block``.
    """

    kind: str
    name: str
    inputs: tuple[Tensor, ...]
    output: Tensor
    macs: Size = 0
    params: Size = 0
    weights: Size = 0
    kernel: int = 1
    stride: int = 1
    groups: Size = 1
    dilation: int = 1
    scope: str = ""

    @property
    def moved(self) -> Size:
        """Elements read and written, weights included."""
        result = self.output.elements + self.weights
        for tensor in self.inputs:
            result = result + tensor.elements
        return result


class Graph:
    """Kernels in execution order. Each method appends one and returns its output.

    Attributes:
        ops: The kernels.
        sizes: Number of elements of each storage.
        scope: Scope of the kernels that are appended next.
    """

    def __init__(self) -> None:
        self.ops: list[Op] = []
        self.sizes: list[Size] = []
        self.scope = ""

    def input(self, *shape: Size) -> Tensor:
        """Return a tensor that no kernel writes: the images, or the output of an earlier part."""
        elements = _product(shape)
        self.sizes.append(elements)
        return Tensor(shape, len(self.sizes) - 1, elements)

    def view(self, x: Tensor, *shape: Size) -> Tensor:
        """Return ``x``, or a part of it, under another shape; this is not a kernel."""
        return Tensor(shape, x.storage, _product(shape))

    def conv(
        self,
        x: Tensor,
        channels: Size,
        kernel: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        depthwise: bool = False,
        norm: bool = False,
        bias: bool = False,
    ) -> Tensor:
        """Append a "same"-padded convolution of (B, C, H, W).

        Args:
            x: Input.
            channels: Output channels.
            kernel: Side of the window.
            stride: Step of the window.
            dilation: Distance between neighbouring elements of the window.
            depthwise: Whether each channel is convolved separately.
            norm: Whether a batch norm follows, which is folded in.
            bias: Whether the convolution has a bias of its own.
        """
        batch, in_channels, height, width = x.shape
        shape = (batch, channels, -(-height // stride), -(-width // stride))
        window = kernel * kernel * (1 if depthwise else in_channels)
        return self._append(
            "conv",
            f"{'depthwise ' if depthwise else ''}{kernel}x{kernel}",
            (x,),
            shape,
            macs=_product(shape) * window,
            # A batch norm trains a scale and a shift; folded in, it leaves a bias.
            params=channels * (window + (2 if norm else int(bias))),
            weights=channels * (window + int(norm or bias)),
            kernel=kernel,
            stride=stride,
            groups=in_channels if depthwise else 1,
            dilation=dilation,
        )

    def linear(self, x: Tensor, features: Size) -> Tensor:
        """Append a linear layer with bias over the last axis."""
        in_features = x.shape[-1]
        shape = (*x.shape[:-1], features)
        weights = features * in_features + features
        return self._append(
            "linear",
            "linear",
            (x,),
            shape,
            macs=_product(shape) * in_features,
            params=weights,
            weights=weights,
        )

    def matmul(self, a: Tensor, b: Tensor) -> Tensor:
        """Append the batched product of (G, n, k) and (G, k, m)."""
        groups, rows, inner = a.shape
        shape = (groups, rows, b.shape[-1])
        return self._append("matmul", "matmul", (a, b), shape, macs=_product(shape) * inner)

    def activation(self, x: Tensor, name: str = "silu") -> Tensor:
        """Append an activation, out of place."""
        return self._append("activation", name, (x,), x.shape)

    def softmax(self, x: Tensor) -> Tensor:
        """Append a softmax over the last axis."""
        return self._append("softmax", "softmax", (x,), x.shape)

    def norm(self, x: Tensor, name: str, channels: Size) -> Tensor:
        """Append a layer or group norm with a scale and a shift per channel."""
        return self._append("norm", name, (x,), x.shape, params=2 * channels, weights=2 * channels)

    def add(self, a: Tensor, b: Tensor, name: str = "add") -> Tensor:
        """Append an element-wise sum."""
        return self._append("add", name, (a, b), a.shape)

    def mul(self, a: Tensor, b: Tensor | None = None) -> Tensor:
        """Append an element-wise product with ``b`` (broadcast) or, without it, with a constant."""
        if b is None:
            return self._append("mul", "scale", (a,), a.shape)
        return self._append("mul", "mul", (a, b), a.shape)

    def sum(self, x: Tensor) -> Tensor:
        """Append a sum over the last axis, which keeps size one."""
        return self._append("sum", "sum", (x,), (*x.shape[:-1], 1))

    def mean(self, x: Tensor) -> Tensor:
        """Append the global mean of (B, C, H, W) over H and W."""
        return self._append("mean", "mean", (x,), x.shape[:2])

    def concat(self, *parts: Tensor) -> Tensor:
        """Append a concatenation along the second axis, the channels of maps."""
        length: Size = 0
        for part in parts:
            length = length + part.shape[1]
        first = parts[0].shape
        return self._append("concat", "concat", parts, (first[0], length, *first[2:]))

    def transpose(self, x: Tensor, *shape: Size) -> Tensor:
        """Append a copy of ``x`` with its axes in another order."""
        return self._append("transpose", "transpose", (x,), shape)

    def unfold(self, x: Tensor, patch: int) -> Tensor:
        """Append the unfolding of patches: (B, C, H, W) to (B, C, p*p, N); a view for p = 1."""
        batch, channels, height, width = x.shape
        shape = (batch, channels, patch * patch, (height // patch) * (width // patch))
        return self.view(x, *shape) if patch == 1 else self._append("unfold", "unfold", (x,), shape)

    def fold(self, x: Tensor, patch: int, height: int, width: int) -> Tensor:
        """Append the inverse of :meth:`unfold`: (B, C, p*p, N) to (B, C, H, W)."""
        shape = (*x.shape[:2], height, width)
        return self.view(x, *shape) if patch == 1 else self._append("fold", "fold", (x,), shape)

    def resize(self, x: Tensor, height: int, width: int) -> Tensor:
        """Append a bilinear resize of (B, C, H, W)."""
        return self._append("resize", "bilinear", (x,), (*x.shape[:2], height, width))

    def call(self, x: Tensor) -> Tensor:
        """Append the place of a part that keeps the shape of ``x`` and is lowered separately."""
        return self._append("call", "call", (x,), x.shape)

    def _append(
        self,
        kind: str,
        name: str,
        inputs: tuple[Tensor, ...],
        shape: tuple[Size, ...],
        **attributes: Any,
    ) -> Tensor:
        output = self.input(*shape)
        self.ops.append(Op(kind, name, inputs, output, scope=self.scope, **attributes))
        return output


def _product(sizes: tuple[Size, ...]) -> Size:
    """Return the product of sizes.

    The plain numbers are multiplied first, since an operation on arrays takes ten times as long.
    """
    number = 1
    result: Size = None
    for size in sizes:
        if isinstance(size, int):
            number *= size
        else:
            result = size if result is None else result * size
    return number if result is None else result * number
