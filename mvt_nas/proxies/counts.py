"""Counting the parameters, multiply-adds and layers of any network, without weights being looked at."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from mvt_nas.cost.counts import count
from mvt_nas.models.network import Network
from mvt_nas.proxies.module_roles import forward, weight_names
from mvt_nas.proxies.preserve import preserve_state


def count_params(network: nn.Module) -> int:
    """Return the number of parameters, frozen ones included, those that several modules share once."""
    weight_names(network)
    return sum(parameter.numel() for parameter in network.parameters())


def count_layers(network: nn.Module) -> int:
    """Return the number of weight tensors of convolutions and linear maps.

    Raises:
        MetricError: there are none.
    """
    return len(weight_names(network))


def count_macs(network: nn.Module, images: Tensor) -> int:
    """Return the multiply-adds of convolutions, linear maps and matrix products for one image.

    Raises:
        MetricError: the network has no weights or no logits.
    """
    weight_names(network)
    channels, height, width = images.shape[1:]
    if isinstance(network, Network) and height == width:
        architecture = replace(network.architecture, resolution_px=int(height))
        return count(
            architecture, in_channels=int(channels), num_classes=network.classifier.out_features
        ).macs
    return counted_macs(network, images)


def counted_macs(network: nn.Module, images: Tensor) -> int:
    """Return the multiply-adds for one image as torch counts them, in operations that it runs on shapes alone where that is possible."""
    tensors = dict(network.named_parameters()) | dict(network.named_buffers())
    try:
        return _run(
            {name: tensor.detach().to("meta") for name, tensor in tensors.items()},
            network,
            images[:1].to("meta"),
        )
    except (RuntimeError, NotImplementedError):
        # Something in the network needs values or keeps tensors that are neither parameters nor
        # buffers.
        return _run({}, network, images[:1])


def _run(tensors: dict[str, Tensor], network: nn.Module, image: Tensor) -> int:
    counter = FlopCounterMode(display=False)
    with preserve_state(network), torch.no_grad(), counter:
        for module in network.modules():
            module.training = False
        forward(network, image, tensors)
    return counter.get_total_flops() // 2
