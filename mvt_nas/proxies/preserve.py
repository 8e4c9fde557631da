"""A context for measuring a network, after which the network is unchanged.

Proxies score freshly initialised networks, whose running statistics are not meaningful yet. So
within the context BatchNorm uses the statistics of the batch, and everything else is in evaluation
mode: dropout and stochastic depth are off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@dataclass(frozen=True, slots=True)
class _SavedTensor:
    """Saved parameter or buffer: the object, its storage, and a copy of the values."""

    owner: nn.Module
    name: str
    tensor: Tensor
    storage: Tensor
    values: Tensor
    requires_grad: bool
    grad: Tensor | None

    def restore(self) -> None:
        if getattr(self.owner, self.name, None) is not self.tensor:
            setattr(self.owner, self.name, self.tensor)
        # Through .data, which does not count as a change in a graph that the caller holds over
        # these tensors.
        self.storage.copy_(self.values)
        self.tensor.data = self.storage
        if self.tensor.requires_grad != self.requires_grad:
            self.tensor.requires_grad_(self.requires_grad)
        if self.tensor.grad is not self.grad:
            self.tensor.grad = self.grad


@contextmanager
def preserve_state(network: nn.Module) -> Iterator[None]:
    """Put the network into measuring mode, and restore its state on leaving, also by an exception.

    In measuring mode BatchNorm normalises with the statistics of the batch, all other modules are
    in evaluation mode, and no parameter has a gradient. On leaving, the weights, the buffers, the
    mode of each module, ``requires_grad``, the gradients, and torch's random state on the CPU and
    on the network's CUDA devices are restored.
    """
    modes = [(module, module.training) for module in network.modules()]
    saved = [
        _saved(owner, name, tensor) for owner, _ in modes for name, tensor in _own_tensors(owner)
    ]
    devices = sorted({entry.tensor.get_device() for entry in saved if entry.tensor.is_cuda})
    with torch.random.fork_rng(devices=devices):
        try:
            for module, _ in modes:
                # Not with train(), which a network may have overridden.
                _set_mode(module, isinstance(module, _BatchNorm))
            for entry in saved:
                if entry.grad is not None:
                    entry.tensor.grad = None
            yield
        finally:
            for entry in saved:
                entry.restore()
            for module, training in modes:
                _set_mode(module, training)


def _set_mode(module: nn.Module, training: bool) -> None:
    # Not with setattr, which looks for parameters first and takes ten times as long.
    vars(module)["training"] = training


def _own_tensors(owner: nn.Module) -> Iterator[tuple[str, Tensor]]:
    # Not with named_parameters(), which takes as long as everything else here.
    for own in (owner._parameters, owner._buffers):
        yield from ((name, tensor) for name, tensor in own.items() if tensor is not None)


def _saved(owner: nn.Module, name: str, tensor: Tensor) -> _SavedTensor:
    return _SavedTensor(
        owner, name, tensor, tensor.data, tensor.data.clone(), tensor.requires_grad, tensor.grad
    )
