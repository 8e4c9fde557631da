"""Synaptic flow: the signal that all weights pass on as magnitudes, for SynFlow and its relatives.

Two choices make it usable on networks of convolutions and transformers. BatchNorm is bypassed, as
in the source: its statistics would remove the signal. LayerNorm and GroupNorm are kept, with the
magnitudes of their weights: without them, the signal of a transformer grows from block to block
until it overflows float64. As they subtract the mean, a gradient can be negative here.

A kept norm does not change when its input is scaled, so it passes hardly any gradient back to the
large signals before it. Between two of them, the range of float64 is enough for about 200 3 x 3
convolutions with 512 channels and torch's default weights.

Source: Tanaka, Kunin, Yamins and Ganguli, "Pruning neural networks without any data by iteratively
conserving synaptic flow" (2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mvt_nas.proxies.batch_norm import batch_norm_replaced
from mvt_nas.proxies.module_roles import forward, weight_names
from mvt_nas.proxies.preserve import preserve_state
from mvt_nas.proxies.types import Batch, Coverage


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """Magnitudes, and the gradients of the signal R, the sum of the outputs for an image of ones.

    Attributes:
        magnitudes: abs(w) of the weights of convolutions and linear layers by name, in float64.
        gradients: dR/dabs(w) by name; zero where R does not depend on a weight.
        coverage: Number of weights that R depends on.
    """

    magnitudes: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor]
    coverage: Coverage


def run_flow(network: nn.Module, batch: Batch) -> Flow:
    """Return the flow through a network; only the shape (C, H, W) of the images is used.

    The magnitudes are copies, and the network is left as found.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    names = weight_names(network)
    with (
        preserve_state(network),
        torch.enable_grad(),
        batch_norm_replaced(network, lambda _norm, features: features),
    ):
        tensors = _magnitudes(network)
        weights = [tensors[name].requires_grad_() for name in names]
        image = torch.ones(
            (1, *batch.images.shape[1:]), dtype=torch.float64, device=weights[0].device
        )
        signal = forward(network, image, tensors).sum()
        found = torch.autograd.grad(signal, weights, allow_unused=True)
    gradients = {
        name: torch.zeros_like(weight) if gradient is None else gradient
        for name, weight, gradient in zip(names, weights, found, strict=True)
    }
    reached = sum(gradient is not None for gradient in found)
    magnitudes = {name: weight.detach() for name, weight in zip(names, weights, strict=True)}
    return Flow(magnitudes, gradients, Coverage("weights", reached, len(names)))


def _magnitudes(network: nn.Module) -> dict[str, Tensor]:
    """Return the magnitudes of all parameters, and all floating-point buffers, in float64."""
    parameters = {
        name: parameter.detach().double().abs() for name, parameter in network.named_parameters()
    }
    buffers = {
        name: buffer.detach().double()
        for name, buffer in network.named_buffers()
        if buffer.is_floating_point()
    }
    return parameters | buffers
