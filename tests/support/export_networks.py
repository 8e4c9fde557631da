"""Networks to export: published blocks, mixtures of their choices, and random architectures.

No tensor of their weights is constant, so that none can be lost unnoticed.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.export.base import ExportModel
from mvt_nas.export.model import nearest_published
from mvt_nas.models.network import Network, TaskNetwork, build_model
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.tasks.base import Task, task_from_text
from tests.support.architectures import random_architecture

NUM_CLASSES = 5

# With fewer images, channels of a single pixel would hardly vary.
_IMAGES = 3

_MULTI = {"attention": "multi_head", "dim": 24, "ffn_dim": 48, "heads": 4}
_SEPARABLE = {"attention": "separable", "dim": 24, "ffn_dim": 48}
_V3 = {"fusion": "local", "local_conv": "depthwise", "residual": True}
BLOCKS: dict[str, MobileViT] = {
    "v1": MobileViT(**_MULTI, fusion="input", fusion_kernel=3),
    "v1 of one head": MobileViT(**(_MULTI | {"heads": 1}), fusion="input", fusion_kernel=3),
    "v1 of wide kernels": MobileViT(
        **_MULTI, fusion="input", fusion_kernel=5, local_kernel=5, patch=3
    ),
    "v1 without fusion": MobileViT(**_MULTI, fusion="none"),
    "v1 with a small fusion": MobileViT(**_MULTI, fusion="input", fusion_kernel=1),
    "v2": MobileViT(**_SEPARABLE),
    "v2 of odd sizes": MobileViT(
        **(_SEPARABLE | {"dim": 20, "ffn_dim": 50}), patch=3, local_kernel=5
    ),
    "v3 on v1": MobileViT(**_MULTI, **_V3),
    "v3 on v2": MobileViT(**_SEPARABLE, **_V3),
    "mixed norms": MobileViT(
        **_MULTI, norm="group_norm", resize="input", align_corners=True, patch=4
    ),
    "mixed attention": MobileViT(
        **_SEPARABLE,
        norm="layer_norm",
        resize="local",
        align_corners=False,
        projection="silu",
        fusion="input",
    ),
}
"""Blocks by their names in tests."""


ALONE = """
import re
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import requires

def names(package, known):
    for text in requires(package) or ():
        name = re.match(r"[\\w.-]+", text)[0]
        if "extra ==" not in text and name not in known:
            known.add(name)
            names(name, known)
    return known

with_torch = {name.lower().replace("-", "_") for name in names("torch", {"torch"})}
allowed = set(sys.stdlib_module_names) | with_torch | {"torchgen", "functorch", "NAME"}

class Refusing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0].lower() not in allowed:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refusing())
import torch
from NAME import NAME

for missing in ("mvt_nas", "numpy", "transformers"):
    try:
        __import__(missing)
    except ModuleNotFoundError:
        continue
    raise SystemExit(missing)
with torch.no_grad():
    torch.save(NAME().eval()(torch.load("images.pt")), "outputs.pt")
print(sum(p.numel() for p in NAME(pretrained=False).parameters()))
"""
"""A program that runs the Python file NAME on images.pt, and prints the number of its parameters.

Nothing but torch can be imported.
"""


def architecture_with(
    *blocks: MobileViT | None, resolution_px: int = 64, head_width: int | None = 24
) -> Architecture:
    """Return an architecture whose last stages hold the blocks.

    Two stages of convolutions precede them, with widths that are no multiples of 8.
    """
    first = (Stage(width=12, stride=1, expansion=1.0), Stage(width=20, depth=2, expansion=3.0))
    stages = tuple(
        Stage(width=16 + 8 * number, stride=2 if number < 3 else 1, block=block)
        for number, block in enumerate(blocks)
    )
    return Architecture(
        resolution_px=resolution_px, stem_width=10, head_width=head_width, stages=(*first, *stages)
    )


def architectures() -> dict[str, Architecture]:
    """Return 20 named architectures: one for each block, some with several, and random ones."""
    found = {name: architecture_with(block) for name, block in BLOCKS.items()}
    found["all convolutions"] = architecture_with(None, head_width=None)
    found["seven stages"] = architecture_with(
        *(BLOCKS[name] for name in ("v2", "v3 on v1", "v1", "v3 on v2", "v1 without fusion"))
    )
    found["a map that no patch divides"] = architecture_with(
        BLOCKS["v1"], BLOCKS["v2"], resolution_px=72, head_width=None
    )
    rng = np.random.default_rng(0)
    found |= {
        f"random {number}": replace(random_architecture(rng), resolution_px=64)
        for number in range(6)
    }
    return found


def random_export_model(
    architecture: Architecture, name: str = "found_7", nearest: str = "mobilevit_xxs"
) -> ExportModel:
    """Return a model with random weights, so large that attention is far from uniform."""
    module = build_model(architecture, num_classes=NUM_CLASSES, seed=0).eval()
    shuffle(module)
    return ExportModel(name, architecture, module, NUM_CLASSES, "random weights", nearest)


def shuffle(module: nn.Module) -> None:
    """Give every parameter and statistic a random value."""
    generator = torch.Generator().manual_seed(1)
    for name, value in module.state_dict().items():
        if value.ndim >= 2:
            value.normal_(std=1.5 / value[0].numel() ** 0.5, generator=generator)
        elif value.is_floating_point():
            value.uniform_(0.5, 1.5, generator=generator)
            value.sub_(1 if name.endswith(("running_mean", "bias")) else 0)


def realistic_export_model(
    name: str,
    architecture: Architecture,
    *,
    num_classes: int = 1000,
    seed: int = 0,
    task: str | None = None,
) -> ExportModel:
    """Return a model with the weights of :func:`realistic_network`.

    Args:
        name: Name of the model.
        architecture: Its architecture.
        num_classes: Outputs of the classifier, unless there is a task.
        seed: Random seed of the weights.
        task: Task as on the command line, such as ``"detection,num_classes=3"``.
    """
    parsed = None if task is None else task_from_text(task)
    return ExportModel(
        name=name,
        architecture=architecture,
        module=realistic_network(architecture, num_classes=num_classes, seed=seed, task=parsed),
        num_classes=num_classes if parsed is None else parsed.num_classes,
        weights="random weights like trained ones",
        nearest=nearest_published(architecture),
        task=parsed,
    )


def realistic_network(
    architecture: Architecture, *, num_classes: int = 1000, seed: int = 0, task: Task | None = None
) -> Network | TaskNetwork:
    """Return a network, in evaluation mode, whose activations are of order one.

    Batch norms have the statistics of random images of the network's resolution. Every weight, bias
    and statistic differs from its initial value.
    """
    network = build_model(architecture, num_classes=num_classes, seed=seed, task=task)
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        _randomise(module, generator)
    side = architecture.resolution_px if task is None else task.resolution_px
    _set_statistics(network, torch.randn(_IMAGES, 3, side, side, generator=generator))
    return network.eval()


def _randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Give a layer random weights that keep the scale of its input."""
    weight = getattr(module, "weight", None)
    bias = getattr(module, "bias", None)
    if isinstance(weight, Tensor) and weight.ndim >= 2:
        nn.init.normal_(weight, std=weight[0].numel() ** -0.5, generator=generator)
    elif isinstance(weight, Tensor):  # that of a normalization
        nn.init.uniform_(weight, 0.5, 1.5, generator=generator)
    if isinstance(bias, Tensor):
        nn.init.normal_(bias, std=0.2, generator=generator)


def _set_statistics(network: nn.Module, images: Tensor) -> None:
    """Set the statistics of all batch norms to those of the images."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a cumulative average, not a moving one
    network.train()  # there is no dropout in these networks
    with torch.no_grad():
        network(images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def images(architecture: Architecture, batch: int = 2) -> np.ndarray:
    """Return random images."""
    side = architecture.resolution_px
    return np.random.default_rng(2).standard_normal((batch, 3, side, side)).astype(np.float32)


def difference(left: torch.Tensor, right: torch.Tensor) -> float:
    """Return the largest difference, as a share of the largest absolute value."""
    assert left.shape == right.shape
    left, right = left.detach(), right.detach()
    return float((left - right).abs().max() / right.abs().max())
