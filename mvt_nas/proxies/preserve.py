"""A context in which a network can be measured, and after which nothing of it has changed.

Scores are taken from freshly initialised networks, whose running statistics say nothing yet. So
inside the context BatchNorm uses the statistics of the batch, and everything else is in evaluation
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
class _Found:
    """A parameter or buffer as it was found: the object, its storage, and a copy of its values."""

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
        # By way of .data, so that a graph that the caller holds over these tensors does not take
        # them for changed.
        self.storage.copy_(self.values)
        self.tensor.data = self.storage
        if self.tensor.requires_grad != self.requires_grad:
            self.tensor.requires_grad_(self.requires_grad)
        if self.tensor.grad is not self.grad:
            self.tensor.grad = self.grad


@contextmanager
def preserve_state(network: nn.Module) -> Iterator[None]:
    """Put the network into measuring mode, and on leaving, also by an exception, back into the state it was found in.

    Measuring mode: BatchNorm normalises with the statistics of the batch, all other modules are in
        evaluation mode, and no parameter
    has a gradient. Put back are the weights, the buffers, the mode of each module,
    ``requires_grad``, the gradients, and the random state of torch on the CPU and on the CUDA
    devices that the network is on.
    """
    modes = [(module, module.training) for module in network.modules()]
    found = [
        _found(owner, name, tensor) for owner, _ in modes for name, tensor in _own_tensors(owner)
    ]
    devices = sorted({entry.tensor.get_device() for entry in found if entry.tensor.is_cuda})
    with torch.random.fork_rng(devices=devices):
        try:
            for module, _ in modes:
                # Not by train(): a network may have overridden it.
                _set_mode(module, isinstance(module, _BatchNorm))
            for entry in found:
                if entry.grad is not None:
                    entry.tensor.grad = None
            yield
        finally:
            for entry in found:
                entry.restore()
            for module, training in modes:
                _set_mode(module, training)


def _set_mode(module: nn.Module, training: bool) -> None:
    # Not by setattr, which looks for parameters first and takes ten times as long.
    vars(module)["training"] = training


def _own_tensors(owner: nn.Module) -> Iterator[tuple[str, Tensor]]:
    # Not by named_parameters(): it takes as long as the rest.
    for own in (owner._parameters, owner._buffers):
        yield from ((name, tensor) for name, tensor in own.items() if tensor is not None)


def _found(owner: nn.Module, name: str, tensor: Tensor) -> _Found:
    return _Found(
        owner, name, tensor, tensor.data, tensor.data.clone(), tensor.requires_grad, tensor.grad
    )
