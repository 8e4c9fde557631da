"""The forward pass of the batch that most scores share, with its graph, and the backward pass of the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.errors import MetricError
from mvt_nas.proxies.activations import ActivationMode, ActivationUnits
from mvt_nas.proxies.contract import Batch, Coverage
from mvt_nas.proxies.preserve import left_as_found
from mvt_nas.proxies.roles import forward, weight_names
from mvt_nas.proxies.watchers import Watcher


@dataclass(frozen=True, slots=True, eq=False)
class ForwardPass:
    """A batch that ran forward; the graph is kept.

    Attributes:
        weights: the weights of convolutions and linear maps by name, as leaves of the graph.
        logits: (B, classes).
        activations: how many of the known activations the watchers were shown; ``None`` where none of them wanted to see any.
    """

    weights: Mapping[str, Tensor]
    logits: Tensor
    activations: Coverage | None


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """The gradients of a loss.

    Attributes:
        weights: by name.
        gradients: by name, zero where the loss does not depend on a weight.
        coverage: how many weights the loss depends on.
    """

    weights: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    coverage: Coverage


def run_forward(network: nn.Module, images: Tensor, watchers: Sequence[Watcher] = ()) -> ForwardPass:
    """Return the forward pass of images (B, C, H, W), with BatchNorm on the statistics of the batch and dropout off.

    The images are part of the graph, so that gradients reach every block, also one without weights before it. The network is left as
    found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    parameters = dict(network.named_parameters())
    seeing = [watcher for watcher in watchers if watcher.sees_activations]
    mode = ActivationMode([one.before_activation for one in seeing], [one.after_activation for one in seeing])
    units = ActivationUnits(network, mode)
    with left_as_found(network), torch.enable_grad(), ExitStack() as stack:
        for handle in [*(units.hooks() if seeing else []), *(handle for watcher in watchers for handle in watcher.hooks())]:
            stack.callback(handle.remove)
        weights = {name: parameters[name].detach().requires_grad_() for name in weight_names(network)}
        # A copy that is no leaf: a network may well overwrite the images that it is given.
        leaf = images.detach().requires_grad_().clone()
        if seeing:
            stack.enter_context(mode)
        logits = forward(network, leaf, weights)
    return ForwardPass(weights, logits, Coverage("activations", units.seen, units.exist) if seeing else None)


def loss_gradients(run: ForwardPass, labels: Tensor) -> Gradients:
    """Return the gradients of the cross entropy in nats, averaged over the batch, with respect to the weights; the graph is kept.

    Raises:
        MetricError: a label is beyond the outputs of the network.
    """
    _check_labels(labels, run.logits)
    with torch.enable_grad():
        loss = functional.cross_entropy(run.logits, labels)
        found = torch.autograd.grad(loss, list(run.weights.values()), retain_graph=True, allow_unused=True)
    gradients = {
        name: torch.zeros_like(weight) if gradient is None else gradient
        for (name, weight), gradient in zip(run.weights.items(), found, strict=True)
    }
    reached = sum(gradient is not None for gradient in found)
    weights = {name: weight.detach() for name, weight in run.weights.items()}
    return Gradients(weights, gradients, Coverage("weights", reached, len(weights)))


def _check_labels(labels: Tensor, logits: Tensor) -> None:
    outputs = logits.shape[1]
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= outputs:
        raise MetricError(f"labels from {low} to {high} for a network with {outputs} outputs: 0 to {outputs - 1} are allowed")
