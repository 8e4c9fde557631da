"""What a module really executes: the operations that torch dispatches for one picture, written down as steps.

An operation whose result shares the storage of an input is a view, unless it writes in place: that
counts as writing anew, as an ONNX file of the same network would say it. Multiply-adds are those of
torch's own formulas (``torch.utils.flop_counter``), halved. Fused attention is taken apart into its
products, which torch counts on some devices only.
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

_PRODUCTS = ("mm", "addmm", "bmm", "baddbmm")
_NORMS = ("native_layer_norm", "native_group_norm")
_ALSO_ELEMENTWISE = ("hardswish", "hardsigmoid", "hardtanh", "silu", "mish", "clamp")
_COPIES = (
    "clone",
    "copy",
    "_to_copy",
)  # torch calls them pointwise, but they are how it transposes
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
    """Return what a network in evaluation mode computes for images (B, C, H, W); whatever it raises is raised."""
    mode = _Trace(images)
    with torch.no_grad(), _plain_attention(), mode:
        results = network(images)
    mode.recording.results |= {
        mode.storages[key] for key in map(_key, _tensors(results)) if key in mode.storages
    }
    return mode.recording


class _Trace(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it without annotations
    """Writes down what is dispatched under it; a storage that is not known to it holds a constant."""

    def __init__(self, images: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self.recording = GraphRecorder()
        self.storages: dict[int, int] = {}
        self._held: list[
            StorageWeakRef
        ] = []  # no identity is given twice while they are held, and no memory is
        self._put(images, self.recording.storage(images.numel()))

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        inputs = _tensors((args, kwargs))
        active = [tensor for tensor in inputs if _key(tensor) in self.storages]
        if active:
            self._write_down(func, inputs, active, (args, kwargs or {}), results)
        return results

    def _write_down(
        self,
        func: Any,
        inputs: list[Tensor],
        active: list[Tensor],
        arguments: tuple[Any, Any],
        results: Any,
    ) -> None:
        mutates, known = func._schema.is_mutable, set(map(_key, inputs))
        outputs = [tensor for tensor in _tensors(results) if mutates or _key(tensor) not in known]
        if not outputs:
            return
        name = func._schema.name.partition("::")[2].rstrip("_")
        constants = [tensor for tensor in inputs if _key(tensor) not in self.storages]
        kind = _kind(func, name, arguments, constants)
        reads, constant = (
            [self.storages[_key(tensor)] for tensor in active],
            max((tensor.numel() for tensor in constants), default=0),
        )
        macs = self._macs(func, name, arguments, results)
        for place, tensor in enumerate(outputs):
            part = ("part", 0) if place else (kind, macs)
            elements = tensor.untyped_storage().nbytes() // tensor.element_size()
            self._put(
                tensor,
                self.recording.step(
                    part[0], name, reads, elements, macs=part[1], constant=constant
                ),
            )

    def _macs(self, func: Any, name: str, arguments: tuple[Any, Any], results: Any) -> int:
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            return int(formula(*arguments[0], **arguments[1], out_val=results)) // 2
        if name in _UNCOUNTED or func.namespace not in ("aten", "prims"):
            self.recording.uncounted.add(f"{func.namespace}.{name}")
        return 0

    def _put(self, tensor: Tensor, storage: int) -> None:
        self._held.append(StorageWeakRef(tensor.untyped_storage()))  # type: ignore[no-untyped-call]  # without annotations
        self.storages[_key(tensor)] = storage


def _kind(func: Any, name: str, arguments: tuple[Any, Any], constants: list[Tensor]) -> str:
    if "convolution" in name:
        return "conv"
    if name in _PRODUCTS:
        return "linear" if any(tensor.ndim >= 2 for tensor in constants) else "matmul"
    if "batch_norm" in name:
        return "norm" if _own_statistics(func, arguments) else "batch_norm"
    if name in _NORMS:
        return "norm"
    pointwise = torch.Tag.pointwise in func.tags or name in _ALSO_ELEMENTWISE
    return "elementwise" if pointwise and name not in _COPIES else "other"


def _own_statistics(func: Any, arguments: tuple[Any, Any]) -> bool:
    """Return whether a batch norm takes its statistics from what it sees, as instance norms do; no runtime can fold that."""
    names = [argument.name for argument in func._schema.arguments]
    given = dict(zip(names, arguments[0], strict=False)) | arguments[1]
    return bool(given.get("training", False))


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _key(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Let torch compute attention by its products inside the block."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
