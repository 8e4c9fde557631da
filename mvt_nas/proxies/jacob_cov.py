"""Jacobian covariance: how different the gradients of the images of a batch are.

BatchNorm normalises with the statistics of the batch, taken for constants: in the mode of training
every image's gradient would depend on all the others, and the sum of the outputs on none of them.

Source: Mellor, Turner, Storkey and Crowley, "Neural architecture search without training", first
version (2020).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mvt_nas.errors import MetricError
from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.batch_norm import batch_norm_replaced, calibrated
from mvt_nas.proxies.module_roles import forward, weight_names
from mvt_nas.proxies.passes import Passes, alone
from mvt_nas.proxies.preserve import preserve_state

_SMALLEST = 1e-5


def jacob_cov(network: nn.Module, batch: Batch) -> float:
    """Return minus the mean of log(λ + k) + 1 / (λ + k) over the eigenvalues λ of the images' correlation, k = 1e-5, no unit.

    The correlation (B, B) is that of the gradients of each image's summed outputs with respect to
    its pixels. -1 is the best: no two gradients are correlated; equal gradients bring it to -100000
    / B and below. The source takes the sum instead of the mean. Dropout is off and the network is
    left as found.

    Raises:
        MetricError: the batch has fewer than two images, or the network has no weights or no
            logits.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return minus the mean of log(λ + k) + 1 / (λ + k)."""
    gradients = image_gradients(passes.network, passes.batch.images)
    eigenvalues = correlation_spectrum(gradients)
    if eigenvalues is None:
        return ProxyReading(math.nan, note="an image has no gradient or an infinite one")
    shifted = eigenvalues + _SMALLEST
    return ProxyReading(-float((shifted.log() + 1.0 / shifted).mean()))


def image_gradients(network: nn.Module, images: Tensor) -> Tensor:
    """Return the gradient of each image's summed outputs with respect to it, (B, C · H · W).

    Raises:
        MetricError: there are fewer than two images, or the network has no weights or no logits.
    """
    if len(images) < 2:
        raise MetricError(
            f"batch of {len(images)} for correlations between images: 2 images or more are needed"
        )
    weight_names(network)
    with preserve_state(network), torch.enable_grad(), batch_norm_replaced(network, calibrated):
        leaf = images.detach().requires_grad_()
        # A copy, as a network may overwrite the images that it is given.
        (gradients,) = torch.autograd.grad(
            forward(network, leaf.clone()).sum(), leaf, materialize_grads=True
        )
    return gradients.flatten(1)


def correlation_spectrum(rows: Tensor) -> Tensor | None:
    """Return the eigenvalues of the correlation between the rows, (B,), in float64; ``None`` where a row is constant or not finite."""
    centred = rows.double() - rows.double().mean(dim=1, keepdim=True)
    lengths = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    if not bool((lengths.isfinite() & (lengths > 0.0)).all()):
        return None
    unit = centred / lengths
    eigenvalues: Tensor = torch.linalg.eigvalsh(unit @ unit.T)
    return eigenvalues.clamp_min(0.0)


PROXIES.register("jacob_cov")(
    Proxy(
        name="jacob_cov",
        score=jacob_cov,
        direction="max",
        passes="1 forward + 1 backward of the batch, to the images",
        source=(
            "Mellor, Turner, Storkey and Crowley, Neural architecture search without training"
            " (version 1), 2020"
        ),
        labelled=False,
        worst=-1e5,
        read=read,
    )
)
