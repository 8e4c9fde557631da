"""Recording the operations that PyTorch dispatches when a module runs on one image.

An operation whose result shares the storage of an input is a view, unless it writes in place: that
counts as writing a new tensor, as in an ONNX file of the same network. Multiply-adds are those of
PyTorch's own formulas (``torch.utils.flop_counter``), halved. Fused attention is computed by its
matrix products, since PyTorch counts the fused operation on some devices only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from mvt_nas.external_models.graph_recorder import GraphRecorder
from mvt_nas.external_models.recorded_op import Window

_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")
_NORMS = ("native_layer_norm", "native_group_norm")
_ALSO_ELEMENTWISE = ("hardswish", "hardsigmoid", "hardtanh", "silu", "mish", "clamp")

# Tagged as pointwise by PyTorch, but used to transpose.
_COPIES = ("clone", "copy", "_to_copy")

# Operations with multiply-adds but without a formula in PyTorch.
_UNCOUNTED = (
    "mkldnn_rnn_layer",
    "_trilinear",
    "mv",
    "addmv",
    "dot",
    "vdot",
    "_int_mm",
    "_thnn_fused_lstm_cell",
    "_thnn_fused_gru_cell",
)


def trace(network: nn.Module, images: Tensor) -> GraphRecorder:
    """Record what a network in evaluation mode computes for images (B, C, H, W).

    Exceptions of the network are passed on.
    """
    mode = _RecordingMode(images)
    with torch.no_grad(), _unfused_attention(), mode:
        results = network(images)
    keys = [_storage_key(tensor) for tensor in _tensors(results)]
    mode.recorder.results |= {mode.storages[key] for key in keys if key in mode.storages}
    return mode.recorder


class _RecordingMode(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """Records the operations dispatched under it; tensors in unknown storages are constants."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # untyped in torch
        self.recorder = GraphRecorder()
        self.storages: dict[int, int] = {}
        # As long as these weak references exist, no storage's key is reused, although the memory
        # itself is freed.
        self._held: list[StorageWeakRef] = []
        self._set_storage(images, self.recorder.add_storage(images.numel()))

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        inputs = _tensors((args, kwargs))
        if any(_storage_key(tensor) in self.storages for tensor in inputs):
            self._record(func, inputs, (args, kwargs or {}), results)
        return results

    def _record(
        self, func: Any, inputs: list[Tensor], arguments: tuple[Any, Any], results: Any
    ) -> None:
        """Record an operation with inputs that depend on the image, unless it is a view."""
        in_place = func._schema.is_mutable
        input_keys = {_storage_key(tensor) for tensor in inputs}
        outputs = [
            tensor
            for tensor in _tensors(results)
            if in_place or _storage_key(tensor) not in input_keys
        ]
        if not outputs:
            return
        # "aten::relu_" and "aten::relu" are both "relu".
        name = func._schema.name.partition("::")[2].rstrip("_")
        constants = [tensor for tensor in inputs if _storage_key(tensor) not in self.storages]
        reads = [
            (self.storages[_storage_key(tensor)], tensor.numel())
            for tensor in inputs
            if _storage_key(tensor) in self.storages
        ]
        kind = _kind(func, name, arguments, constants)
        macs = self._macs(func, name, arguments, results)
        window = _window(func, arguments) if kind == "conv" else None
        for position, tensor in enumerate(outputs):
            # Multiply-adds count for the first output; the others are further results of it.
            first = position == 0
            storage = self.recorder.record(
                kind if first else "part",
                name,
                reads,
                tensor.untyped_storage().nbytes() // tensor.element_size(),
                macs=macs if first else 0,
                constants=[constant.numel() for constant in constants],
                shape=tuple(tensor.shape),
                window=window,
            )
            self._set_storage(tensor, storage)

    def _macs(self, func: Any, name: str, arguments: tuple[Any, Any], results: Any) -> int:
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            # PyTorch counts a multiply-add as two operations.
            return int(formula(*arguments[0], **arguments[1], out_val=results)) // 2
        if name in _UNCOUNTED or func.namespace not in ("aten", "prims"):
            self.recorder.uncounted.add(f"{func.namespace}.{name}")
        return 0

    def _set_storage(self, tensor: Tensor, storage: int) -> None:
        reference = StorageWeakRef(tensor.untyped_storage())  # type: ignore[no-untyped-call]  # untyped in torch
        self._held.append(reference)
        self.storages[_storage_key(tensor)] = storage


def _kind(func: Any, name: str, arguments: tuple[Any, Any], constants: list[Tensor]) -> str:
    """Return the kind of an operation (see :class:`RecordedOp`)."""
    if "convolution" in name:
        return "conv"
    if name in _PRODUCTS:
        # A constant with one axis is the bias of a product of two activations.
        return "linear" if any(tensor.ndim >= 2 for tensor in constants) else "matmul"
    if "batch_norm" in name:
        return "norm" if _uses_batch_statistics(func, arguments) else "batch_norm"
    if name in _NORMS:
        return "norm"
    pointwise = torch.Tag.pointwise in func.tags or name in _ALSO_ELEMENTWISE
    return "elementwise" if pointwise and name not in _COPIES else "other"


def _uses_batch_statistics(func: Any, arguments: tuple[Any, Any]) -> bool:
    """Return True if a batch norm computes its statistics from its input, as instance norms do.

    No runtime can fold such a norm.
    """
    return bool(_named(func, arguments).get("training", False))


def _window(func: Any, arguments: tuple[Any, Any]) -> Window | None:
    """Return the window of a convolution; ``None`` for one of unknown arguments."""
    given = _named(func, arguments)
    image, weights = given.get("input"), given.get("weight")
    if image is None or weights is None or "stride" not in given:
        return None
    return Window(
        kernel=max(weights.shape[2:]),
        stride=max(given["stride"]),
        depthwise=1 < given.get("groups", 1) == image.shape[1],
        transposed=bool(given.get("transposed", False)),
    )


def _named(func: Any, arguments: tuple[Any, Any]) -> dict[str, Any]:
    """Return the arguments of a call by name; those with default values may be missing."""
    names = [argument.name for argument in func._schema.arguments]
    given: dict[str, Any] = dict(zip(names, arguments[0], strict=False)) | arguments[1]
    return given


def _tensors(tree: Any) -> list[Tensor]:
    """Return the tensors in nested containers."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _storage_key(tensor: Tensor) -> int:
    """Return the identity of a tensor's storage."""
    return int(tensor.untyped_storage()._cdata)


@contextmanager
def _unfused_attention() -> Iterator[None]:
    """Let PyTorch compute attention by its matrix products inside the block."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
