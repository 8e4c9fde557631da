"""Replacement of a network's BatchNorm while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def batch_norm_replaced(
    network: nn.Module, forward: Callable[[_BatchNorm, Tensor], Tensor]
) -> Iterator[None]:
    """Replace each BatchNorm by ``forward(module, features)`` within the block.

    The caller restores the modes of the modules. The method ``forward`` is replaced instead of
    adding a hook, since a hook would still run the normalisation, which fails on 1 x 1 maps.
    """
    norms = [
        (module, vars(module).get("forward"))
        for module in network.modules()
        if isinstance(module, _BatchNorm)
    ]
    try:
        for module, _ in norms:
            vars(module)["forward"] = partial(forward, module)
            module.training = False
        yield
    finally:
        for module, own_forward in norms:
            del vars(module)["forward"]
            if own_forward is not None:
                vars(module)["forward"] = own_forward


def calibrated(norm: _BatchNorm, features: Tensor) -> Tensor:
    """Return features (B, C, ...) normalised by their own statistics.

    The statistics count as constants in the graph, so that no image depends on another.
    """
    mean, variance = statistics(features.detach())
    return functional.batch_norm(
        features, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps
    )


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means and the variances of the channels of features (B, C, ...), (C,) each."""
    mean, variance = features.new_zeros(2, features.shape[1])
    # With momentum 1 the running statistics become those of the batch; this is several times faster
    # than var().
    functional.batch_norm(features, mean, variance, training=True, momentum=1.0)
    # Torch keeps the unbiased variance (divided by n - 1); the normalisation uses the biased one.
    values = features.numel() // features.shape[1]
    return mean, variance * ((values - 1) / values)
