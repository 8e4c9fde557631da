"""Networks with weights as they might be after training: no tensor is constant, and activations stay of order one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mvt_nas.export.base import ExportModel
from mvt_nas.export.model import nearest_published
from mvt_nas.models.network import Network, TaskNetwork, build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.tasks.base import Task, task_from_text

_IMAGES = 3  # with fewer, channels of a single pixel would hardly vary


def trained_like(
    architecture: Architecture, *, num_classes: int = 1000, seed: int = 0, task: Task | None = None
) -> Network | TaskNetwork:
    """Return the network in evaluation mode; batch norms know the statistics of random images of its resolution.

    Every weight, bias and statistic differs from what initialisation gives, so that none can be
    lost unseen.
    """
    model = build_model(architecture, num_classes=num_classes, seed=seed, task=task)
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        _draw(module, generator)
    side = architecture.resolution_px if task is None else task.resolution_px
    _settle(model, torch.randn(_IMAGES, 3, side, side, generator=generator))
    return model.eval()


def subject_like(
    name: str,
    architecture: Architecture,
    *,
    num_classes: int = 1000,
    seed: int = 0,
    task: str | None = None,
) -> ExportModel:
    """Return what is exported, with such weights; ``task`` is as the command line takes it."""
    found = None if task is None else task_from_text(task)
    model = trained_like(architecture, num_classes=num_classes, seed=seed, task=found)
    classes = num_classes if found is None else found.num_classes
    return ExportModel(
        name,
        architecture,
        model,
        classes,
        "random weights like trained ones",
        nearest_published(architecture),
        found,
    )


def _draw(module: nn.Module, generator: torch.Generator) -> None:
    """Give a layer random weights under which what it returns is about as large as what it gets."""
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if isinstance(weight, Tensor) and weight.ndim >= 2:
        nn.init.normal_(weight, std=weight[0].numel() ** -0.5, generator=generator)
    elif isinstance(weight, Tensor):  # of a norm
        nn.init.uniform_(weight, 0.5, 1.5, generator=generator)
    if isinstance(bias, Tensor):
        nn.init.normal_(bias, std=0.2, generator=generator)


def _settle(model: nn.Module, images: Tensor) -> None:
    """Let batch norms see the images once."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # the average of what it sees, not a moving one
    model.train()  # there is no dropout in these networks
    with torch.no_grad():
        model(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
