"""What all training-free scores together take, against the forward and backward passes that they need.

The passes are run bare: no hooks, nothing kept but the graph, nothing computed from it. For the
backward passes through each block stands one to the images, which does the same work. Both are
taken in turn, and on one thread by the processor's time, which other programs do not lengthen.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from benchmarks._figures import Figure, figure
from mvt_nas import zoo
from mvt_nas._threads_and_malloc import one_torch_thread
from mvt_nas.models.network import build_model
from mvt_nas.proxies.batches import DIGIT_CLASSES, digits_batch
from mvt_nas.proxies.module_roles import weight_names
from mvt_nas.proxies.suite import score_all
from mvt_nas.proxies.types import Batch

MODELS = ("mobilevit_xxs", "mobilevit_s", "mobilevitv2_050", "mobilevitv2_100", "mobilevitv3_xxs")
REPEATS = 5
RESOLUTION_PX, IMAGES = 64, 32


def bare_passes(network: nn.Module, signal: nn.Module, batch: Batch) -> None:
    """Run the passes that all scores need together; ``signal`` is the network in float64 and without BatchNorm."""
    weights = [dict(network.named_parameters())[name] for name in weight_names(network)]
    images = batch.images.clone().requires_grad_()
    # SNIP, GradNorm and what watches the forward pass; trainability.
    logits = network(images)
    torch.autograd.grad(functional.cross_entropy(logits, batch.labels), weights, retain_graph=True)
    torch.autograd.grad(logits.sum(), images)
    # ZiCo.
    for half in (slice(0, IMAGES // 2), slice(IMAGES // 2, IMAGES)):
        torch.autograd.grad(
            functional.cross_entropy(network(batch.images[half]), batch.labels[half]), weights
        )
    # Jacobian covariance.
    torch.autograd.grad(network(images).sum(), images)
    # Zen-score.
    with torch.no_grad():
        network(torch.cat([batch.images, batch.images]))
    # LogSynFlow and DSS.
    ones = torch.ones((1, *batch.images.shape[1:]), dtype=torch.float64)
    torch.autograd.grad(
        signal(ones).sum(), [dict(signal.named_parameters())[name] for name in weight_names(signal)]
    )


def without_batch_norm(network: nn.Module) -> nn.Module:
    """Return a copy in float64 whose batch norms pass their input on."""
    copied = copy.deepcopy(network).double().eval()
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, nn.Identity())
    return copied


def in_turn(
    first: Callable[[], object], second: Callable[[], object]
) -> tuple[list[float], list[float]]:
    """Return the processor seconds of each call of two functions that are called in turn, the first calls not counted."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(REPEATS + 1):
        for work, found in zip((first, second), seconds, strict=True):
            start = time.process_time()
            work()
            found.append(time.process_time() - start)
    return seconds[0][1:], seconds[1][1:]


def measure(model: str) -> list[Figure]:
    """Return the seconds of all scores of a published model, and how many times those of the bare passes they are."""
    network = build_model(zoo(model), num_classes=DIGIT_CLASSES, seed=0).train()
    signal, batch = without_batch_norm(network), digits_batch(IMAGES, RESOLUTION_PX, seed=0)
    suite, bare = in_turn(
        lambda: score_all(network, batch), lambda: bare_passes(network, signal, batch)
    )
    note = f"{RESOLUTION_PX} px, batch {IMAGES}, one thread"
    return [
        figure(f"{model}, all scores", suite, "s", note),
        figure(
            f"{model}, all scores / their passes",
            [one / other for one, other in zip(suite, bare, strict=True)],
            "",
            note,
        ),
    ]


def run() -> list[Figure]:
    """Return the figures of some published models."""
    with one_torch_thread():
        return [one for model in MODELS for one in measure(model)]
