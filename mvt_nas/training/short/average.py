"""The exponential moving average of a network's weights and running statistics.

Source: Polyak and Juditsky (1992); the decay grows from small values, ``min(decay, (1 + t) / (10 +
t))``, since a short training would otherwise end with an average of its beginning.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)


def decay_at(step: int, decay: float) -> float:
    """Return the decay after a number of steps, counted from 0."""
    return min(decay, (1 + step) / (10 + step))


def copy_for_ema(network: N) -> N:
    """Return a copy of the network to hold the average, without gradients."""
    result = copy.deepcopy(network)
    return result.requires_grad_(False)


def state(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return the floating-point tensors of a network, parameters and buffers, and the others."""
    tensors = [*network.parameters(), *network.buffers()]
    return [t.detach() for t in tensors if t.is_floating_point()], [
        t.detach() for t in tensors if not t.is_floating_point()
    ]


@torch.no_grad()
def update(
    average: tuple[list[Tensor], list[Tensor]], now: tuple[list[Tensor], list[Tensor]], decay: float
) -> None:
    """Set the average to ``decay * average + (1 - decay) * now``; counters are copied."""
    torch._foreach_lerp_(average[0], now[0], 1 - decay)
    torch._foreach_copy_(average[1], now[1])
