"""Initial weights as in the papers.

Convolutions are Kaiming-normal over the fan-out, linear layers normal with standard deviation 0.02,
biases zero. The authors' released code configures the same since its second version but, by an
oversight, leaves torch's defaults in force; their v2 and v2-based v3 checkpoints were trained from
those. We follow the papers.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def initialize_weights(
    model: nn.Module, seed: int | None, *, xavier: Iterable[nn.Module] = ()
) -> None:
    """Set all weights and buffers of ``model`` in place.

    Args:
        model: Module to initialise.
        seed: Seed of the weights; ``None`` for torch's global random state.
        xavier: Parts whose convolutions are Xavier-uniform, such as the head of a detector, as in
            the authors' release.

    Source: arXiv 2110.02178 and 2206.02680, released configurations (``kaiming_normal``,
        ``trunc_normal`` with 0.02).
    """
    generator = None
    if seed is not None:
        generator = torch.Generator(device=next(model.parameters()).device)
        generator.manual_seed(seed)
    for module in model.modules():
        _initialise(module, generator)
    for part in xavier:
        for module in part.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight, generator=generator)


def _initialise(module: nn.Module, generator: torch.Generator | None) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", generator=generator)
    elif isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02, generator=generator)
    elif isinstance(getattr(module, "weight", None), nn.Parameter):
        nn.init.ones_(module.weight)  # type: ignore[arg-type]  # a norm
    if isinstance(module, nn.BatchNorm2d):
        module.reset_running_stats()
    if isinstance(getattr(module, "bias", None), nn.Parameter):
        nn.init.zeros_(module.bias)  # type: ignore[arg-type]  # a Parameter, as checked above
