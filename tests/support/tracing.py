"""Recording the kernels that PyTorch dispatches for a network, on the meta device.

This is independent of the lowering. A dispatched operation whose output shares the storage of an
input is a view; every other one is a kernel. Batch norms are folded into their convolutions first,
as in a runtime.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

KINDS = {
    "convolution": "conv",
    "addmm": "linear",
    "bmm": "matmul",
    "silu": "activation",
    "relu": "activation",
    "_softmax": "softmax",
    "native_layer_norm": "norm",
    "native_group_norm": "norm",
    "add": "add",
    "mul": "mul",
    "sum": "sum",
    "mean": "mean",
    "cat": "concat",
    "clone": "transpose",
    "pixel_unshuffle": "unfold",
    "pixel_shuffle": "fold",
    "upsample_bilinear2d": "resize",
}
"""PyTorch's operation -> kind of op in the graph."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One dispatched kernel.

    Attributes:
        kind: Kind of op in the graph.
        inputs: Tensors that it reads, weights included; a view has its own elements, not its
            base's.
        output: Tensor that it writes; for norms the first result, since inference does not need
            the statistics.
    """

    kind: str
    inputs: tuple[Tensor, ...]
    output: Tensor

    @property
    def moved(self) -> tuple[int, int]:
        """Elements read and elements written."""
        return sum(tensor.numel() for tensor in self.inputs), self.output.numel()


class KernelTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it without annotations
    """Records dispatched kernels and keeps their tensors, so that no storage is reused."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it without annotations
        self.kernels: list[Kernel] = []

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        inputs = tuple(leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor))
        name = func.overloadpacket.__name__  # type: ignore[attr-defined]  # an OpOverload is more than a callable
        output = tree_leaves(results)[0]
        shared = identity(output) in map(identity, inputs)
        assert not (shared and name.endswith("_")), f"{name} writes in place"
        if not shared:
            self.kernels.append(Kernel(KINDS[name], inputs, output))
        return results


def kernels(model: nn.Module, image: Tensor) -> list[Kernel]:
    """Return the kernels of one inference of a model in eval mode with folded batch norms."""
    trace = KernelTrace()
    with torch.no_grad(), trace:
        model(image)
    return trace.kernels


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Replace every convolution and its batch norm by a convolution with bias, in place."""
    for sequence in [module for module in model.modules() if isinstance(module, nn.Sequential)]:
        for name, conv, norm in list(_folding(sequence)):
            sequence[name] = fuse_conv_bn_eval(conv, norm)
            sequence[name + 1] = nn.Identity()
    return model


def _folding(sequence: nn.Sequential) -> Iterator[tuple[int, nn.Conv2d, nn.BatchNorm2d]]:
    for index, (conv, norm) in enumerate(pairwise(sequence)):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            yield index, conv, norm


def moved_bytes(trace: list[Kernel]) -> int:
    """Return the bytes that the kernels read and write."""
    return 4 * sum(sum(kernel.moved) for kernel in trace)


def peak_bytes(trace: list[Kernel], model: nn.Module) -> int:
    """Return the largest sum of live storages over the kernels, without weights."""
    weights = {identity(parameter) for parameter in model.parameters()}
    born: dict[int, int] = {}
    dies: dict[int, int] = {}
    bytes_of: dict[int, int] = {}
    for index, kernel in enumerate(trace):
        for tensor in (*kernel.inputs, kernel.output):
            if identity(tensor) not in weights:
                written = tensor is kernel.output
                born.setdefault(identity(tensor), index if written else 0)
                dies[identity(tensor)] = index
                bytes_of[identity(tensor)] = tensor.untyped_storage().nbytes()
    changes = np.zeros(len(trace) + 1, dtype=np.int64)
    for storage, size in bytes_of.items():
        changes[born[storage]] += size
        changes[dies[storage] + 1] -= size
    return int(changes.cumsum().max())


def identity(tensor: Tensor) -> int:
    """Return the identity of a tensor's storage."""
    return int(tensor.untyped_storage()._cdata)
