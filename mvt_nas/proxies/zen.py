"""Zen-score of the convolutional parts: how much they amplify a small change of their input, with the scale that BatchNorm takes out
put back.

The score of a whole network telescopes into the logarithms of the gains of its parts. Here those of the convolutional parts are added
(see ``convolutional.py``), measured at the features that reach them inside the network: LayerNorm takes out a gain too and the source has
no account of it. What is no part of any, such as an attention, keeps its weights. For a chain of convolutions it is the published score,
up to a constant. The shortcuts of residual blocks stay.

Source: Lin et al., "Zen-NAS: a zero-shot NAS for high-performance deep image recognition" (2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

from mvt_nas.proxies.contract import PROXIES, Batch, Coverage, Proxy, Reading
from mvt_nas.proxies.convolutional import convolutional_parts
from mvt_nas.proxies.passes import Passes, alone
from mvt_nas.proxies.preserve import left_as_found
from mvt_nas.proxies.roles import first_tensor, forward, weight_names

_CHANGE = 0.01


@dataclass(slots=True, eq=False)
class Gains:
    """What is measured while the images and then the changed images run forward.

    Attributes:
        features: input and output of each run of a part, of the images.
        logarithms: of the gain of each run of a part, in nats.
        variances: the mean over the channels of the variance that each BatchNorm takes out.
        reached: the parts that ran.
        changed: whether the changed images are running.
    """

    features: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    logarithms: list[float] = field(default_factory=list)
    variances: list[float] = field(default_factory=list)
    reached: set[nn.Module] = field(default_factory=set)
    changed: bool = False
    _entered: list[Tensor] = field(default_factory=list)

    def enter(self, _part: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Keep a copy of a part's input, which may be overwritten."""
        self._entered.append(inputs[0].clone())

    def leave(self, part: nn.Module, _inputs: object, output: Tensor) -> None:
        """Keep a part's output, or measure how far it is from the one that was kept."""
        self.reached.add(part)
        start = self._entered.pop()
        if not self.changed:
            self.features.append((start, output.clone()))
            return
        before, after = self.features[len(self.logarithms)]
        self.logarithms.append(_log(mean_change(after, output)) - _log(mean_change(before, start)))

    def normalise(self, _norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        """Measure the variance that a BatchNorm takes out of the images' features."""
        if not self.changed:
            axes = [axis for axis in range(inputs[0].ndim) if axis != 1]
            self.variances.append(float(inputs[0].var(dim=axes, unbiased=False).mean()))


def zen(network: nn.Module, batch: Batch) -> float:
    """Return the sum over the convolutional parts of log(gain) and of log(σ) of their batch norms, in nats.

    The gain is that of the mean absolute change when the images change by 0.01 times standard normal noise; σ² is the mean over the
    channels of a BatchNorm's variance. The kernels of the parts are replaced by standard normal draws, the same for every network of the
    same shapes. BatchNorm uses the statistics of the batch, dropout is off, and the network is left as found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    return alone(network, batch, read)


def read(passes: Passes) -> Reading:
    """Return the sum of the logarithms."""
    weight_names(passes.network)
    parts = convolutional_parts(passes.network)
    if not parts:
        return Reading(math.nan, note="no convolutional parts")
    gains = measure(passes.network, passes.batch.images, parts)
    value = sum(gains.logarithms) + sum(0.5 * _log(variance) for variance in gains.variances)
    return Reading(value, (Coverage("convolutional parts", len(gains.reached), len(parts)),))


def measure(network: nn.Module, images: Tensor, parts: list[nn.Module]) -> Gains:
    """Return what the images and the changed images did to the parts."""
    generator = torch.Generator().manual_seed(0)
    gains = Gains()
    with left_as_found(network), torch.no_grad(), ExitStack() as stack:
        for part in parts:
            stack.callback(part.register_forward_pre_hook(gains.enter).remove)
            stack.callback(part.register_forward_hook(gains.leave).remove)
        for norm in (module for part in parts for module in part.modules() if isinstance(module, _BatchNorm)):
            stack.callback(norm.register_forward_pre_hook(gains.normalise).remove)
        kernels = dict(_normal_kernels(network, parts, generator))
        noise = torch.randn(images.shape, generator=generator).to(images)
        forward(network, images.clone(), kernels)
        gains.changed = True
        forward(network, images + _CHANGE * noise, kernels)
    return gains


def mean_change(before: Tensor, after: Tensor) -> float:
    """Return the mean absolute difference."""
    return float((after - before).abs().mean())


def _normal_kernels(network: nn.Module, parts: list[nn.Module], generator: torch.Generator) -> Iterator[tuple[str, Tensor]]:
    """Yield standard normal draws in the place of the kernels in the parts, by name."""
    kernels = {id(module.weight) for part in parts for module in part.modules() if isinstance(module, _ConvNd)}
    for name, parameter in network.named_parameters():
        if id(parameter) in kernels:
            yield name, torch.randn(parameter.shape, generator=generator).to(parameter)


def _log(value: float) -> float:
    return math.log(value) if value > 0.0 else -math.inf if value == 0.0 else math.nan


PROXIES.register("zen")(
    Proxy(
        name="zen",
        score=zen,
        direction="max",
        passes="2 forwards of the batch",
        source="Lin et al., Zen-NAS: a zero-shot NAS for high-performance deep image recognition, 2021",
        labelled=False,
        worst=-1e4,
        read=read,
    )
)
