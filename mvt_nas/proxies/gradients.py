"""Gradients of the loss with respect to the weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.errors import MetricError
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass
from mvt_nas.proxies.types import Coverage


@dataclass(frozen=True, slots=True, eq=False)
class Gradients:
    """Gradients of a loss.

    Attributes:
        weights: Weights by name.
        gradients: Gradients by name, zero where the loss does not depend on a weight.
        coverage: Number of weights that the loss depends on.
    """

    weights: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    coverage: Coverage


class LossGradients(ForwardObserver):
    """Computes the gradients of the loss over the whole batch.

    Attributes:
        found: The gradients, available after the pass.
    """

    found: Gradients

    def finish(self, run: ForwardPass) -> None:
        """Run the loss backward."""
        self.found = loss_gradients(run, self.batch.labels)


def loss_gradients(run: ForwardPass, labels: Tensor) -> Gradients:
    """Return the gradients of the cross entropy (nats, averaged over the batch); retains the graph.

    Raises:
        MetricError: a label is beyond the outputs of the network.
    """
    _check_labels(labels, run.logits)
    with torch.enable_grad():
        loss = functional.cross_entropy(run.logits, labels)
        found = torch.autograd.grad(
            loss, list(run.weights.values()), retain_graph=True, allow_unused=True
        )
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
        raise MetricError(
            f"labels from {low} to {high} for a network with {outputs} outputs: 0 to {outputs - 1}"
            " are allowed"
        )
