"""The convolutional parts of a network: the largest modules with convolutions and nothing of a transformer in them.

Zen-score: how much convolutions amplify a small change of their input, with the scale that
BatchNorm takes out put back.

The score of a whole network telescopes into the logarithms of the gains of its parts. Here those of
the convolutional parts are added (see ``convolutional.py``), measured at the features that reach
them inside the network: LayerNorm takes out a gain too and the source has no account of it. What is
no part of any, such as an attention, keeps its weights. For a chain of convolutions it is the
published score, up to a constant. The shortcuts of residual blocks stay.

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
from mvt_nas.proxies.base import PROXIES, Batch, Coverage, Proxy, ProxyReading
from mvt_nas.proxies.batch_norm import batch_norm_replaced, statistics
from mvt_nas.proxies.module_roles import (
    CONTAINERS,
    check_statistics,
    first_tensor,
    forward,
    weight_names,
)
from mvt_nas.proxies.passes import Passes, alone
from mvt_nas.proxies.preserve import preserve_state

_ALLOWED: tuple[type[nn.Module], ...] = (
    *(
        _ConvNd,
        _BatchNorm,
        *ACTIVATIONS,
        nn.Sigmoid,
        nn.Tanh,
        nn.Dropout,
        nn.Dropout2d,
        nn.Identity,
    ),
    *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ZeroPad2d, nn.Upsample),
)


def convolutional_parts(network: nn.Module) -> list[nn.Module]:
    """Return the parts that hold a convolution, and beside it only batch norms, activations and pooling; none lies in another.

    Neither an attention is one, even if its matrices are 1 x 1 convolutions, nor what lies beside
    it in a transformer layer.
    """
    return list(dict.fromkeys(_parts(network)))


def _parts(module: nn.Module) -> Iterator[nn.Module]:
    if _is_convolutional(module):
        yield module
    elif not own_matrices(module) and not any(own_matrices(child) for child in module.children()):
        for child in module.children():
            yield from _parts(child)


def _is_convolutional(module: nn.Module) -> bool:
    """Return whether a module can be called as a whole and holds convolutions, and nothing but what goes with them."""
    inside = list(module.modules())
    if isinstance(module, nn.ModuleList) or not any(isinstance(one, _ConvNd) for one in inside):
        return False
    return all(isinstance(one, _ALLOWED) or _only_holds(one) for one in inside) and not any(
        own_matrices(one) for one in inside
    )


def _only_holds(module: nn.Module) -> bool:
    """Return whether a module has children but no parameters of its own."""
    return isinstance(module, CONTAINERS) or (
        any(True for _ in module.children()) and not list(module.parameters(recurse=False))
    )


_CHANGE = 0.01


@dataclass(slots=True, eq=False)
class LayerGains:
    """What is measured while images, and after them in the same batch the changed images, run forward.

    Attributes:
        norms: the batch norms in the convolutional parts.
        logarithms: of the gain of each run of a part, in nats.
        variances: the mean over the channels of the variance that each batch norm of a part takes
            out.
        reached: the parts that ran, from features to features.
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
        start, end = self._entered.pop(), log_change(output)
        if start is not None and end is not None:
            self.reached.add(part)
            self.logarithms.append(end - start)

    def normalise(self, norm: _BatchNorm, features: Tensor) -> Tensor:
        """Return features normalised by the statistics of the images, the changed ones too, and keep the variance."""
        mean, variance = statistics(features[: len(features) // 2])
        if norm in self.norms:
            self.variances.append(float(variance.mean()))
        return functional.batch_norm(
            features, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps
        )


def zen(network: nn.Module, batch: Batch) -> float:
    """Return the sum over the convolutional parts of log(gain) and of log(σ) of their batch norms, in nats.

    The gain is that of the mean absolute change when the images change by 0.01 times standard
    normal noise; σ² is the mean over the channels of a BatchNorm's variance. The kernels of the
    parts are replaced by standard normal draws, the same for every network of the same shapes.
    BatchNorm uses the statistics of the images as they were, dropout is off, and the network is
    left as found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> ProxyReading:
    """Return the sum of the logarithms."""
    weight_names(passes.network)
    parts = convolutional_parts(passes.network)
    if not parts:
        return ProxyReading(math.nan, note="no convolutional parts")
    gains = measure(passes.network, passes.batch.images, parts)
    value = sum(gains.logarithms) + sum(
        0.5 * math.log(variance) if variance > 0.0 else -math.inf for variance in gains.variances
    )
    return ProxyReading(value, (Coverage("convolutional parts", len(gains.reached), len(parts)),))


def measure(network: nn.Module, images: Tensor, parts: list[nn.Module]) -> LayerGains:
    """Return what the images and the changed images did to the parts."""
    generator = torch.Generator().manual_seed(0)
    gains = LayerGains(
        frozenset(
            module for part in parts for module in part.modules() if isinstance(module, _BatchNorm)
        )
    )
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
    """Return the logarithm of the mean absolute difference between the second half of a batch and the first; ``None`` without features.

    Of several features, those that come first count.
    """
    features = first_tensor(list(given.values()) if isinstance(given, Mapping) else given)
    if features is None:
        return None
    before, after = features.chunk(2)
    change = float((after - before).abs().mean())
    return math.log(change) if change > 0.0 else -math.inf if change == 0.0 else math.nan


def _normal_kernels(
    network: nn.Module, parts: list[nn.Module], generator: torch.Generator
) -> Iterator[tuple[str, Tensor]]:
    """Yield standard normal draws in the place of the kernels in the parts, by name."""
    kernels = {
        id(module.weight)
        for part in parts
        for module in part.modules()
        if isinstance(module, _ConvNd)
    }
    for name, parameter in network.named_parameters():
        if id(parameter) in kernels:
            yield name, torch.randn(parameter.shape, generator=generator).to(parameter)


PROXIES.register("zen")(
    Proxy(
        name="zen",
        score=zen,
        direction="max",
        passes="1 forward of twice the batch",
        source=(
            "Lin et al., Zen-NAS: a zero-shot NAS for high-performance deep image recognition, 2021"
        ),
        labelled=False,
        worst=-1e4,
        read=read,
    )
)
