"""Jacobian covariance: dissimilarity of the gradients of a batch's images.

BatchNorm normalises with the statistics of the batch, which count as constants: in training mode
every image's gradient would depend on all other images.

Source: Mellor, Turner, Storkey and Crowley, "Neural architecture search without training", first
version (2020).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mvt_nas.errors import MetricError
from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.batch_norm import batch_norm_replaced, calibrated
from mvt_nas.proxies.module_roles import forward, weight_names
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.preserve import preserve_state
from mvt_nas.proxies.types import ProxyReading

_SMALLEST = 1e-5


@proxy(
    direction="max",
    passes="1 forward + 1 backward of the batch, to the images",
    source=(
        "Mellor, Turner, Storkey and Crowley, Neural architecture search without training"
        " (version 1), 2020"
    ),
    labelled=False,
    worst=-1e5,
)
def jacob_cov(passes: Passes) -> ProxyReading:
    """Return minus the mean of log(λ + k) + 1 / (λ + k), k = 1e-5, no unit.

    λ are the eigenvalues of the correlation (B, B) of the gradients of each image's summed outputs
    with respect to its pixels. -1 is the best: no two gradients are correlated. Equal gradients
    give -100000 / B and below. The source takes the sum instead of the mean. Dropout is off.

    Raises:
        MetricError: the batch has fewer than two images, or the network has no weights or no
            logits.
    """
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
        # A copy, as a network may overwrite its input images in place.
        (gradients,) = torch.autograd.grad(
            forward(network, leaf.clone()).sum(), leaf, materialize_grads=True
        )
    return gradients.flatten(1)


def correlation_spectrum(rows: Tensor) -> Tensor | None:
    """Return the eigenvalues of the correlation between the rows, (B,), in float64.

    A row that is constant or not finite has no correlation: the result is ``None``.
    """
    centred = rows.double() - rows.double().mean(dim=1, keepdim=True)
    lengths = torch.linalg.vector_norm(centred, dim=1, keepdim=True)
    if not bool((lengths.isfinite() & (lengths > 0.0)).all()):
        return None
    unit = centred / lengths
    eigenvalues: Tensor = torch.linalg.eigvalsh(unit @ unit.T)
    return eigenvalues.clamp_min(0.0)
