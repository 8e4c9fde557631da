"""Zen-score: gain of convolutions for a small change of the input, BatchNorm's scale included.

The score of a whole network telescopes into the logarithms of the gains of its parts. Here those of
the convolutional parts are added, the largest modules with convolutions and without anything of a
transformer. They are measured at the features that reach them inside the network: LayerNorm removes
a gain too, and the source does not account for it. Everything else, such as an attention, keeps its
weights. For a chain of convolutions it is the published score, up to a constant. The shortcuts of
residual blocks are kept.

Source: Lin et al., "Zen-NAS: a zero-shot NAS for high-performance deep image recognition" (2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from mvt_nas.proxies.activations import MODULES as ACTIVATIONS
from mvt_nas.proxies.attention_roles import own_matrices
from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.batch_norm import batch_norm_replaced, statistics
from mvt_nas.proxies.module_roles import (
    CONTAINERS,
    check_statistics,
    first_tensor,
    forward,
    weight_names,
)
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.preserve import preserve_state
from mvt_nas.proxies.types import Coverage, ProxyReading

_ALLOWED: tuple[type[nn.Module], ...] = (
    _ConvNd,
    _BatchNorm,
    *ACTIVATIONS,
    nn.Sigmoid,
    nn.Tanh,
    nn.Dropout,
    nn.Dropout2d,
    nn.Identity,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.ZeroPad2d,
    nn.Upsample,
)
"""Modules that a convolutional part may hold."""

_CHANGE = 0.01
"""Standard deviation of the change of the images."""


def convolutional_parts(network: nn.Module) -> list[nn.Module]:
    """Return the largest modules of convolutions, batch norms, activations and pooling only.

    An attention is none of them, even if its matrices are 1 x 1 convolutions, nor is its sibling in
    a transformer layer.
    """
    return list(dict.fromkeys(_parts(network)))


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    if _is_convolutional(module):
        yield module
    elif not own_matrices(module) and not any(own_matrices(child) for child in module.children()):
        for child in module.children():
            yield from _parts(child)


def _is_convolutional(module: nn.Module) -> bool:
    """Return True if a module can be called, and holds convolutions and only allowed modules."""
    inside = list(module.modules())
    # A ModuleList has no forward() to measure.
    if isinstance(module, nn.ModuleList):
        return False
    if not any(isinstance(inner, _ConvNd) for inner in inside):
        return False
    if any(own_matrices(inner) for inner in inside):
        return False
    return all(isinstance(inner, _ALLOWED) or _only_holds(inner) for inner in inside)


def _only_holds(module: nn.Module) -> bool:
    """Return True if a module has children but no parameters of its own."""
    return isinstance(module, CONTAINERS) or (
        any(True for _ in module.children()) and not list(module.parameters(recurse=False))
    )


@dataclass(slots=True, eq=False)
class LayerGains:
    """Gains measured during the forward pass of images followed by the changed images in one batch.

    Attributes:
        norms: The batch norms in the convolutional parts.
        logarithms: Logarithm of the gain of each run of a part, in nats.
        variances: Mean over the channels of the variance that each batch norm of a part removes.
        reached: The parts that ran, from features to features.
    """

    norms: frozenset[nn.Module]
    logarithms: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    reached: set[nn.Module] = field(default_factory=set)
    _entered: list[float | None] = field(default_factory=list)

    def enter(self, _part: nn.Module, inputs: tuple[object, ...]) -> None:
        """Measure the change of a part's input."""
        self._entered.append(log_change(inputs))

    def leave(self, part: nn.Module, _inputs: object, output: object) -> None:
        """Measure the change of a part's output against that of its input."""
        start = self._entered.pop()
        end = log_change(output)
        if start is not None and end is not None:
            self.reached.add(part)
            self.logarithms.append(end - start)

    def normalise(self, norm: _BatchNorm, features: Tensor) -> Tensor:
        """Return all features normalised by the statistics of the unchanged images.

        The variances of batch norms in convolutional parts are kept.
        """
        mean, variance = statistics(features[: len(features) // 2])
        if norm in self.norms:
            self.variances.append(float(variance.mean()))
        return functional.batch_norm(
            features, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps
        )


@proxy(
    direction="max",
    passes="1 forward of twice the batch",
    source=(
        "Lin et al., Zen-NAS: a zero-shot NAS for high-performance deep image recognition, 2021"
    ),
    labelled=False,
    worst=-1e4,
)
def zen(passes: Passes) -> ProxyReading:
    """Return the sum of log(gain) of convolutional parts and log(σ) of their batch norms, in nats.

    The gain is that of the mean absolute change when the images change by 0.01 times standard
    normal noise; σ² is the mean over the channels of a BatchNorm's variance. The kernels of the
    parts are replaced by standard normal draws, the same for every network of the same shapes.
    BatchNorm uses the statistics of the unchanged images, and dropout is off.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    weight_names(passes.network)
    parts = convolutional_parts(passes.network)
    if not parts:
        return ProxyReading(math.nan, note="no convolutional parts")
    gains = measure(passes.network, passes.batch.images, parts)
    # log(σ) is half the logarithm of the variance.
    scales = [0.5 * math.log(v) if v > 0.0 else -math.inf for v in gains.variances]
    value = sum(gains.logarithms) + sum(scales)
    return ProxyReading(value, (Coverage("convolutional parts", len(gains.reached), len(parts)),))


def measure(network: nn.Module, images: Tensor, parts: list[nn.Module]) -> LayerGains:
    """Return the gains of the convolutional parts for a small change of the images."""
    generator = torch.Generator().manual_seed(0)
    inside = [module for part in parts for module in part.modules()]
    gains = LayerGains(frozenset(module for module in inside if isinstance(module, _BatchNorm)))
    check_statistics(network, images)
    with (
        preserve_state(network),
        torch.no_grad(),
        batch_norm_replaced(network, gains.normalise),
        ExitStack() as stack,
    ):
        for part in parts:
            stack.callback(part.register_forward_pre_hook(gains.enter).remove)
            stack.callback(part.register_forward_hook(gains.leave).remove)
        kernels = dict(_normal_kernels(network, parts, generator))
        noise = torch.randn(images.shape, generator=generator).to(images)
        forward(network, torch.cat([images, images + _CHANGE * noise]), kernels)
    return gains


def log_change(given: object) -> float | None:
    """Return the log of the mean absolute difference between the halves of a batch.

    Of several features the first ones count; without features the result is ``None``.
    """
    features = first_tensor(list(given.values()) if isinstance(given, Mapping) else given)
    if features is None:
        return None
    before, after = features.chunk(2)
    change = float((after - before).abs().mean())
    if change > 0.0:
        return math.log(change)
    return -math.inf if change == 0.0 else math.nan


def _normal_kernels(
    network: nn.Module, parts: list[nn.Module], generator: torch.Generator
) -> Iterator[tuple[str, Tensor]]:
    """Yield standard normal draws for the kernels of the parts, by name."""
    kernels = {
        id(module.weight)
        for part in parts
        for module in part.modules()
        if isinstance(module, _ConvNd)
    }
    for name, parameter in network.named_parameters():
        if id(parameter) in kernels:
            yield name, torch.randn(parameter.shape, generator=generator).to(parameter)
