"""Running a network with another BatchNorm than its own."""

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
    """Let ``forward(module, features)`` take the place of each BatchNorm, and leave the modes to the caller to put back.

    By its ``forward`` and not by a hook, which would run the normalisation all the same, and fail
    on maps of one pixel.
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
    """Return features (B, C, ...) normalised by their own statistics, which count as constants: no image depends on another."""
    mean, variance = statistics(features.detach())
    return functional.batch_norm(
        features, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps
    )


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means and the variances of the channels of features (B, C, ...), (C,) each."""
    mean, variance = features.new_zeros(2, features.shape[1])
    # Torch takes them by the way here, several times as fast as by var().
    functional.batch_norm(features, mean, variance, training=True, momentum=1.0)
    # Where it keeps the variance, it has divided by one less than the number of values.
    values = features.numel() // features.shape[1]
    return mean, variance * ((values - 1) / values)
