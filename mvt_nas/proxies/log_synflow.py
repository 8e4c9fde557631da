"""LogSynFlow: how much signal all weights pass on together, each weight counted by the logarithm of its part in it.

Two choices make the score usable on networks that are half convolutional, half transformer. BatchNorm is bypassed, as in the source:
its statistics would take out the signal. LayerNorm and GroupNorm are kept, with their weights made absolute: without them, the signal
of a transformer multiplies from block to block until it leaves float64. As they subtract the mean, a gradient can be negative here,
where the logarithm of the source, log(dR/dw + 1), is not defined; log(abs(dR/dw) + 1) is, and is the same for a network without them.

Between two kept norms, the range of float64 is enough for about 200 convolutions 3 x 3 with 512 channels and torch's default weights;
a deeper chain scores infinity or NaN.

A kept norm does not change when its input is scaled, so it passes hardly any gradient back to the large signals before it. Where all
paths go through one (the blocks of MobileViTv2, which have no shortcut around theirs), the weights before it add next to nothing, and
the score is smaller by orders of magnitude than with a shortcut: compare networks of one kind of block only.

Source: Cavagnero, Robbiano, Caputo and Averta, "FreeREA: training-free evolution-based architecture search" (2023);
SynFlow: Tanaka, Kunin, Yamins and Ganguli, "Pruning neural networks without any data by iteratively conserving synaptic flow" (2020).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mvt_nas.proxies.contract import PROXIES, Batch, Proxy
from mvt_nas.proxies.preserve import left_as_found
from mvt_nas.proxies.roles import forward, weight_names


def log_synflow(network: nn.Module, batch: Batch) -> float:
    """Return the sum of abs(w) · log(abs(dR/dw) + 1) over the weights of convolutions and linear maps, no unit.

    R is the sum of the outputs for one image of ones, with all parameters replaced by their magnitudes, in float64. Of the batch only
    the shape (C, H, W) of an image is used. The magnitudes are copies and the network is left as found.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    names = weight_names(network)
    with left_as_found(network), torch.enable_grad(), _batch_norm_bypassed(network):
        tensors = _magnitudes(network)
        weights = [tensors[name].requires_grad_() for name in names]
        image = torch.ones((1, *batch.images.shape[1:]), dtype=torch.float64, device=weights[0].device)
        signal = forward(network, image, tensors).sum()
        gradients = torch.autograd.grad(signal, weights, materialize_grads=True)
        parts = [(weight * gradient.abs().log1p()).sum() for weight, gradient in zip(weights, gradients, strict=True)]
    return float(torch.stack(parts).detach().sum())


def _magnitudes(network: nn.Module) -> dict[str, Tensor]:
    """Return copies in float64 of all parameters, as magnitudes, and of all floating point buffers, as they are."""
    parameters = {name: parameter.detach().double().abs() for name, parameter in network.named_parameters()}
    buffers = {name: buffer.detach().double() for name, buffer in network.named_buffers() if buffer.is_floating_point()}
    return parameters | buffers


@contextmanager
def _batch_norm_bypassed(network: nn.Module) -> Iterator[None]:
    """Make each BatchNorm return its input, and leave its mode to the caller to put back.

    By its ``forward`` and not by a hook, which would run the normalisation all the same, and fail on maps of one pixel.
    """
    norms = [(module, vars(module).get("forward")) for module in network.modules() if isinstance(module, _BatchNorm)]
    try:
        for module, _ in norms:
            vars(module)["forward"] = _same
            module.training = False
        yield
    finally:
        for module, own_forward in norms:
            del vars(module)["forward"]
            if own_forward is not None:
                vars(module)["forward"] = own_forward


def _same(features: Tensor) -> Tensor:
    return features


PROXIES.register("log_synflow")(
    Proxy(
        name="log_synflow",
        score=log_synflow,
        direction="max",
        passes="1 forward + 1 backward at B = 1, float64",
        source="Cavagnero, Robbiano, Caputo and Averta, FreeREA: training-free evolution-based architecture search, 2023",
        labelled=False,
        worst=0.0,
    )
)
