"""The images that are timed: noise, always the same.

A network with weights as they might be after training, for runtimes that fold and fuse.

Weights straight from initialisation leave batch norms with mean 0 and variance 1 whatever comes in.
Activations then shrink or grow from block to block, possibly to numbers that processors are slow
at, and folding the norms changes nothing that a test could see.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mvt_nas.models.network import Network, TaskNetwork, build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task


def random_images(shape: tuple[int, int, int, int], seed: int = 0) -> NDArray[np.float32]:
    """Return normally distributed images of a shape (B, C, H, W)."""
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


IMAGES = 2  # with one, a channel of a single pixel would have no variance


def realistic_network(
    architecture: Architecture, *, num_classes: int = 1000, task: Task | None = None, seed: int = 0
) -> Network | TaskNetwork:
    """Return the network in evaluation mode, with random weights and batch norms that have seen noise of its resolution."""
    model, side = (
        build_model(architecture, num_classes=num_classes, task=task, seed=seed).eval(),
        (task or architecture).resolution_px,
    )
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
