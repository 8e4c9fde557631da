"""Counting proxies (parameters, multiply-adds, depth), which other proxies have to beat.

The counts work for any network and do not look at its weights.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mvt_nas.cost.counts import count
from mvt_nas.models.network import Network
from mvt_nas.proxies.base import proxy
from mvt_nas.proxies.module_roles import forward, weight_names
from mvt_nas.proxies.passes import Passes
from mvt_nas.proxies.preserve import preserve_state
from mvt_nas.proxies.types import ProxyReading


@proxy(
    direction="max",
    passes="none",
    source="a count; a baseline in Abdelfattah et al., Zero-cost proxies for lightweight NAS, 2021",
    labelled=False,
    worst=0.0,
)
def params(passes: Passes) -> ProxyReading:
    """Return the number of parameters.

    Raises:
        MetricError: the network has no weights.
    """
    return ProxyReading(float(count_params(passes.network)))


@proxy(
    direction="max",
    passes="none (1 forward at B = 1 on shapes alone for networks of others)",
    source=(
        "a count; a baseline in White et al., A deeper look at zero-cost proxies for lightweight"
        " NAS, 2022"
    ),
    labelled=False,
    worst=0.0,
)
def macs(passes: Passes) -> ProxyReading:
    """Return the multiply-adds of convolutions, linear layers and matrix products for one image.

    They are exact for networks of this package; those of other networks are counted by torch.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    return ProxyReading(float(count_macs(passes.network, passes.batch.images)))


@proxy(
    direction="max",
    passes="none",
    source=(
        "a count; a baseline in Tybl and Neumann, Training-free NAS through variance of knowledge"
        " of deep network weights, 2025"
    ),
    labelled=False,
    worst=0.0,
)
def depth(passes: Passes) -> ProxyReading:
    """Return the number of weight tensors of convolutions and linear layers.

    Raises:
        MetricError: the network has no weights.
    """
    return ProxyReading(float(count_layers(passes.network)))


def count_params(network: nn.Module) -> int:
    """Return the number of parameters, including frozen ones; shared parameters count once."""
    weight_names(network)  # raises for a network without weights
    return sum(parameter.numel() for parameter in network.parameters())


def count_layers(network: nn.Module) -> int:
    """Return the number of weight tensors of convolutions and linear layers.

    Raises:
        MetricError: there are none.
    """
    return len(weight_names(network))


def count_macs(network: nn.Module, images: Tensor) -> int:
    """Return the multiply-adds of convolutions, linear layers and matrix products for one image.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    weight_names(network)  # raises for a network without weights
    channels, height, width = images.shape[1:]
    if isinstance(network, Network) and height == width:
        architecture = replace(network.architecture, resolution_px=int(height))
        return count(
            architecture, in_channels=int(channels), num_classes=network.classifier.out_features
        ).macs
    return counted_macs(network, images)


def counted_macs(network: nn.Module, images: Tensor) -> int:
    """Return the multiply-adds for one image, as counted by torch.

    The operations run on shapes alone (meta tensors) where that is possible.
    """
    tensors = dict(network.named_parameters()) | dict(network.named_buffers())
    try:
        return _run(
            {name: tensor.detach().to("meta") for name, tensor in tensors.items()},
            network,
            images[:1].to("meta"),
        )
    except (RuntimeError, NotImplementedError):
        # The network needs values, or keeps tensors that are neither parameters nor buffers.
        return _run({}, network, images[:1])


def _run(tensors: dict[str, Tensor], network: nn.Module, image: Tensor) -> int:
    counter = FlopCounterMode(display=False)
    with preserve_state(network), torch.no_grad(), counter:
        # Evaluation mode for BatchNorm too, which has no statistics of a single image.
        for module in network.modules():
            module.training = False
        forward(network, image, tensors)
    # Torch counts a multiply-add as two floating-point operations.
    return counter.get_total_flops() // 2
