"""A network with weights as they might be after training, for runtimes that fold and fuse.

Weights straight from initialisation leave batch norms with mean 0 and variance 1 whatever comes in. Activations then shrink or grow from
block to block, possibly to numbers that processors are slow at, and folding the norms changes nothing that a test could see.
"""

from __future__ import annotations

import torch
from torch import nn

from mvt_nas.latency.measuring.random_input import random_images
from mvt_nas.network import Network, TaskNetwork, build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.contract import Task

IMAGES = 2  # with one, a channel of a single pixel would have no variance


def plausible_network(
    architecture: Architecture, *, num_classes: int = 1000, task: Task | None = None, seed: int = 0
) -> Network | TaskNetwork:
    """Return the network in evaluation mode, with random weights and batch norms that have seen noise of its resolution."""
    model, side = build_model(architecture, num_classes=num_classes, task=task, seed=seed).eval(), (task or architecture).resolution_px
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    generator = torch.Generator().manual_seed(seed)
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
        nn.init.normal_(norm.bias, 0.0, 0.1, generator=generator)
        norm.momentum = None  # the average of what it sees, not a moving one
        norm.train()
    with torch.no_grad():
        model(torch.from_numpy(random_images((IMAGES, 3, side, side), seed)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return model.eval()
