"""The forward pass of the batch that most scores share, with its graph."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from mvt_nas.proxies.activations import ActivationMode, ActivationUnits
from mvt_nas.proxies.base import Coverage
from mvt_nas.proxies.module_roles import forward, weight_names
from mvt_nas.proxies.observers import ForwardObserver, ForwardPass
from mvt_nas.proxies.preserve import preserve_state


def run_forward(
    network: nn.Module, images: Tensor, watchers: Sequence[ForwardObserver] = ()
) -> ForwardPass:
    """Return the forward pass of images (B, C, H, W), with BatchNorm on the statistics of the batch and dropout off.

    The images are part of the graph, so that gradients reach every block, also one without weights
    before it. The network is left as found.

    Raises:
        MetricError: the network has no weights or no logits, or the batch is too small.
    """
    parameters = dict(network.named_parameters())
    seeing = [watcher for watcher in watchers if watcher.sees_activations]
    mode = ActivationMode(
        [one.before_activation for one in seeing], [one.after_activation for one in seeing]
    )
    units = ActivationUnits(network if seeing else nn.Module(), mode)
    with preserve_state(network), torch.enable_grad(), ExitStack() as stack:
        for handle in [
            *units.hooks(),
            *(handle for watcher in watchers for handle in watcher.hooks()),
        ]:
            stack.callback(handle.remove)
        weights = {
            name: parameters[name].detach().requires_grad_() for name in weight_names(network)
        }
        # A copy that is no leaf: a network may well overwrite the images that it is given.
        leaf = images.detach().requires_grad_().clone()
        if seeing:
            stack.enter_context(mode)
        logits = forward(network, leaf, weights)
    return ForwardPass(
        weights, logits, Coverage("activations", units.seen, units.exist) if seeing else None
    )
