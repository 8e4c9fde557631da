"""Time of all training-free scores, relative to the forward and backward passes that they need.

The passes run bare: no hooks, nothing kept but the graph, nothing computed from it. One backward
pass to the images replaces the backward passes through each block; it does the same work. Scores
and passes alternate on one thread, and their CPU time is taken, on which other programs have little
influence.
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
    """Run the passes that all scores together need.

    Args:
        network: The network to score.
        signal: The same network in float64 without batch norms.
        batch: The images and labels.
    """
    weights = [dict(network.named_parameters())[name] for name in weight_names(network)]
    images = batch.images.clone().requires_grad_()
    # SNIP, GradNorm and the scores of the forward pass; trainability.
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
    """Return a copy in float64 whose batch norms are replaced by the identity."""
    copied = copy.deepcopy(network).double().eval()
    for module in list(copied.modules()):
        for name, child in module.named_children():
            if isinstance(child, _BatchNorm):
                setattr(module, name, nn.Identity())
    return copied


def in_turn(
    first: Callable[[], object], second: Callable[[], object]
) -> tuple[list[float], list[float]]:
    """Return the CPU seconds of each call of two functions, called in turn after a warm-up call."""
    first_seconds: list[float] = []
    second_seconds: list[float] = []
    for _ in range(REPEATS + 1):
        first_seconds.append(_cpu_seconds(first))
        second_seconds.append(_cpu_seconds(second))
    return first_seconds[1:], second_seconds[1:]


def _cpu_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def measure(model: str) -> list[Figure]:
    """Return the time of all scores of a published model, and its ratio to that of the passes."""
    network = build_model(zoo(model), num_classes=DIGIT_CLASSES, seed=0).train()
    signal = without_batch_norm(network)
    batch = digits_batch(IMAGES, RESOLUTION_PX, seed=0)
    suite, bare = in_turn(
        lambda: score_all(network, batch), lambda: bare_passes(network, signal, batch)
    )
    note = f"{RESOLUTION_PX} px, batch {IMAGES}, one thread"
    return [
        figure(f"{model}, all scores", suite, "s", note),
        figure(
            f"{model}, all scores / their passes",
            [scores / passes for scores, passes in zip(suite, bare, strict=True)],
            "",
            note,
        ),
    ]


def run() -> list[Figure]:
    """Return the figures of some published models."""
    figures: list[Figure] = []
    with one_torch_thread():
        for model in MODELS:
            figures += measure(model)
    return figures
