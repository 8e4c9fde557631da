"""What a network really executes: the kernels that torch dispatches, recorded on the meta device.

This knows nothing of the lowering. A dispatched operation whose output shares the storage of an
input is a view; every other one is a kernel. Batch norms are folded into their convolutions first,
as a runtime does.
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
"""What torch's operations are called in the graph."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One dispatched kernel.

    Attributes:
        kind: as in the graph.
        inputs: the tensors it reads, weights among them; a view reads its own elements, not its
            base's.
        output: what it writes; of the norms the first result, since the statistics are not needed
            at inference.
    """

    kind: str
    inputs: tuple[Tensor, ...]
    output: Tensor

    @property
    def moved(self) -> tuple[int, int]:
        """Elements read and elements written."""
        return sum(tensor.numel() for tensor in self.inputs), self.output.numel()


class KernelTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch leaves it without annotations
    """Records the kernels dispatched under it. It keeps their tensors, so that no storage's identity is given twice."""

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
    """Return the kernels of one inference of a model in eval mode whose batch norms are folded."""
    trace = KernelTrace()
    with torch.no_grad(), trace:
        model(image)
    return trace.kernels


def fold_batch_norms(model: nn.Module) -> nn.Module:
    """Return ``model`` with every convolution and the batch norm after it replaced by one convolution with bias, in place."""
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
    """Return the largest sum, over the kernels, of the storages that exist and are still needed, the weights' left out."""
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
    """Return what is equal for tensors that share their storage."""
    return int(tensor.untyped_storage()._cdata)
