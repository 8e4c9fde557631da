"""DSS: synaptic diversity of attention plus synaptic saliency of everything else.

The source adds the two parts directly, though they have different units, and recognises attention
matrices by their names or by being square. Here the logarithms are added, and each attention
declares its matrices (see ``attention_roles.py``): query, key, value and output separately, so that
separable attention with its single query row is included.

Source: Zhou et al., "Training-free transformer architecture search" (2022).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mvt_nas.proxies.attention_roles import AttentionMatrix, attention_coverage, attention_matrices
from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.flow import Flow
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.types import ProxyReading

_LOW_RANK = 24
"""Rank up to which a random projection is tried, see :func:`few_rows`."""

_LEFT_OUT = 1e-12
"""Largest relative norm of the part that a projection may leave out."""


@proxy(
    direction="max",
    passes="1 forward + 1 backward at B = 1, float64",
    source="Zhou et al., Training-free transformer architecture search, 2022",
    labelled=False,
    worst=0.0,
)
def dss(passes: Passes) -> ProxyReading:
    """Return log(1 + diversity) + log(1 + saliency), no unit.

    Diversity is the sum, over the attention matrices W, of the products of the nuclear norms of
    dR/dW and of W. Saliency is the sum over all other weights of abs(w · dR/dw). R is the sum of
    the outputs for one image of ones, with all parameters replaced by their magnitudes, in float64.
    Only the shape (C, H, W) of the images is used.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    flow = passes.flow
    matrices = [
        matrix for matrix in attention_matrices(passes.network) if matrix.name in flow.magnitudes
    ]
    value = math.log1p(diversity(flow, matrices)) + math.log1p(
        saliency(flow, {matrix.name for matrix in matrices})
    )
    return ProxyReading(value, (flow.coverage, attention_coverage(passes.network, matrices)))


def diversity(flow: Flow, matrices: list[AttentionMatrix]) -> float:
    """Return the sum of the products of the nuclear norms of magnitudes and of gradients."""
    return sum(
        nuclear_norm(matrix.of(flow.magnitudes)) * nuclear_norm(few_rows(matrix.of(flow.gradients)))
        for matrix in matrices
    )


def saliency(flow: Flow, excluded: set[str]) -> float:
    """Return the sum of abs(w · dR/dw) over the weights that are not excluded."""
    others = [name for name in flow.magnitudes if name not in excluded]
    return sum(float((flow.magnitudes[name] * flow.gradients[name]).abs().sum()) for name in others)


def nuclear_norm(matrix: Tensor) -> float:
    """Return the sum of the singular values; NaN if a value is not finite."""
    if not bool(matrix.isfinite().all()):
        return math.nan
    return float(torch.linalg.svdvals(matrix).sum())


def few_rows(matrix: Tensor) -> Tensor:
    """Return a matrix of fewer rows with the same singular values if its rank is low.

    Any other matrix is returned unchanged. The rank of a gradient is at most the number of tokens.

    Source: Halko, Martinsson and Tropp, "Finding structure with randomness" (2011).
    """
    largest = matrix.abs().max()
    if min(matrix.shape) <= 2 * _LOW_RANK or not bool(largest.isfinite() & (largest > 0.0)):
        return matrix
    # Scaled, since squares of large gradients would overflow float64.
    scaled = matrix / largest
    probes = torch.randn(
        matrix.shape[1], _LOW_RANK, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).to(matrix)
    # An orthonormal basis of the range; the projection onto it keeps the singular values.
    basis = torch.linalg.qr(scaled @ probes).Q
    rows = basis.T @ scaled
    rest = torch.linalg.vector_norm(scaled - basis @ rows)
    return largest * rows if bool(rest <= _LEFT_OUT * torch.linalg.vector_norm(scaled)) else matrix
