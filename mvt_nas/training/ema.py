"""The exponential moving average (EMA) of a network's weights and running statistics.

The decay grows from small values, ``min(decay, (1 + t) / (10 + t))``, because a short training
would otherwise end with an average of its beginning.

``torch.optim.swa_utils.AveragedModel`` computes the same average, to the last bit if its count
starts at 1 (a test compares them). It is not used for three reasons: its first update copies the
weights instead of averaging them, it groups all tensors by device and type again at every step,
and it prefixes their names by ``module.``, so that existing checkpoints could not be read.

Source: Polyak and Juditsky (1992).
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)


def copy_for_ema(network: N) -> N:
    """Return a copy of the network, without gradients, to hold the average."""
    return copy.deepcopy(network).requires_grad_(False)


def decay_at(step: int, decay: float) -> float:
    """Return the decay of the update after a step, counted from 0."""
    return min(decay, (1 + step) / (10 + step))


class EmaUpdater:
    """Updates the average of a network's weights.

    Args:
        network: Network in training.
        average: Copy of it that holds the average.
        decay: Largest share of the old average in the new one, 0 to 1.
    """

    def __init__(self, network: nn.Module, average: nn.Module, decay: float) -> None:
        self._decay = decay
        self._values, self._counters = _tensors(network)
        self._average_values, self._average_counters = _tensors(average)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Set the average to ``decay * average + (1 - decay) * network`` after a step, from 0.

        Integer buffers, such as the counters of batch norms, are copied.
        """
        weight = 1 - decay_at(step, self._decay)
        torch._foreach_lerp_(self._average_values, self._values, weight)
        torch._foreach_copy_(self._average_counters, self._counters)


def _tensors(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return a network's floating-point parameters and buffers, and its other buffers."""
    tensors = [tensor.detach() for tensor in (*network.parameters(), *network.buffers())]
    values = [tensor for tensor in tensors if tensor.is_floating_point()]
    counters = [tensor for tensor in tensors if not tensor.is_floating_point()]
    return values, counters
