"""Realistic random weights, for measurements and tests of runtimes.

Weights straight from initialisation leave all batch norms with mean 0 and variance 1, whatever
their inputs. Activations then shrink or grow from block to block, possibly to denormal numbers,
which processors compute slowly; and folding the norms would have no effect that a test could see.
"""

from __future__ import annotations

import torch
from torch import nn

from mvt_nas.models.network import Network, TaskNetwork, build_model
from mvt_nas.models.random_images import random_images
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task

IMAGES = 2
"""Images for the batch statistics. With one, a channel of a single pixel would have no variance."""


def realistic_network(
    architecture: Architecture, *, num_classes: int = 1000, task: Task | None = None, seed: int = 0
) -> Network | TaskNetwork:
    """Return a network in evaluation mode, with random weights as they might be after training.

    The statistics of its batch norms are those of noise at the network's resolution.
    """
    model = build_model(architecture, num_classes=num_classes, task=task, seed=seed).eval()
    side = (task or architecture).resolution_px
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    generator = torch.Generator().manual_seed(seed)
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
        nn.init.normal_(norm.bias, 0.0, 0.1, generator=generator)
        # The average over all batches, not a moving one.
        norm.momentum = None
        norm.train()
    with torch.no_grad():
        model(torch.from_numpy(random_images((IMAGES, 3, side, side), seed)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()
