"""DSS: the synaptic diversity of attention and the synaptic saliency of everything else, each by its role.

The source adds the two parts as they are, which have different units, and takes matrices for those
of attention by their names or because they are square. Here the logarithms are added, and each
attention declares its matrices (see ``attention_roles.py``): query, key, value and output, each by
itself, so that separable attention with its single query row is one as well.

Source: Zhou et al., "Training-free transformer architecture search" (2022).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from mvt_nas.proxies.attention_roles import AttentionMatrix, attention_coverage, attention_matrices
from mvt_nas.proxies.base import PROXIES, Batch, Proxy, ProxyReading
from mvt_nas.proxies.flow import Flow
from mvt_nas.proxies.passes import Passes, alone

_LOW_RANK = 24
_LEFT_OUT = 1e-12


def dss(network: nn.Module, batch: Batch) -> float:
    """Return log(1 + diversity) + log(1 + saliency), no unit.

    Diversity is the sum over the matrices W of attention of the nuclear norms of dR/dW and of W,
    multiplied; saliency the sum over all other weights of abs(w · dR/dw). R is the sum of the
    outputs for one image of ones, with all parameters replaced by their magnitudes, in float64. Of
    the batch only the shape (C, H, W) of an image is used. The network is left as found.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return the logarithms of both parts, added."""
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
    """Return a matrix of fewer rows with the same singular values where the rank is low, else the matrix itself.

    That of a gradient is at most the number of tokens. Source: Halko, Martinsson and Tropp,
        "Finding structure with randomness" (2011).
    """
    largest = matrix.abs().max()
    if min(matrix.shape) <= 2 * _LOW_RANK or not bool(largest.isfinite() & (largest > 0.0)):
        return matrix
    # Squares of large gradients would leave float64.
    scaled = matrix / largest
    probes = torch.randn(
        matrix.shape[1], _LOW_RANK, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    ).to(matrix)
    basis = torch.linalg.qr(scaled @ probes).Q
    rows = basis.T @ scaled
    rest = torch.linalg.vector_norm(scaled - basis @ rows)
    return largest * rows if bool(rest <= _LEFT_OUT * torch.linalg.vector_norm(scaled)) else matrix


PROXIES.register("dss")(
    Proxy(
        name="dss",
        score=dss,
        direction="max",
        passes="1 forward + 1 backward at B = 1, float64",
        source="Zhou et al., Training-free transformer architecture search, 2022",
        labelled=False,
        worst=0.0,
        read=read,
    )
)
