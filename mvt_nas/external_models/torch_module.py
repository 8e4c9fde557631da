"""Modules of PyTorch that a user's function returns, and their costs on one image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from mvt_nas._optional import describe_error
from mvt_nas.errors import BaselineError
from mvt_nas.external_models.graph_recorder import count_costs
from mvt_nas.external_models.kernel_graph import KernelGraph, kernel_graph
from mvt_nas.external_models.torch_trace import trace
from mvt_nas.models.random_images import random_images


def build_network(source: str, function: Callable[[], Any]) -> nn.Module:
    """Return the module that a function returns, called without arguments.

    PyTorch's random state on the processor is as before, whatever the function draws.

    Args:
        source: beginning of messages.
        function: the function.

    Raises:
        BaselineError: it fails, or returns something else.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            network = function()
    except (Exception, SystemExit) as error:
        raise BaselineError(
            f"{source}: the function, called without arguments, fails: {describe_error(error)}"
        ) from error
    if not isinstance(network, nn.Module):
        raise BaselineError(
            f"{source}: the function returns {type(network).__name__}; a torch.nn.Module is needed"
        )
    return network


def count_network(
    source: str, network: nn.Module, shape: tuple[int, int, int, int]
) -> tuple[dict[str, float], tuple[str, ...], KernelGraph]:
    """Return the costs of a network by name, notes on them, and its kernels; it runs once.

    Args:
        source: beginning of messages.
        network: the network, which is put on the processor and in evaluation mode.
        shape: shape of one image, (1, C, H, W).

    Raises:
        BaselineError: the network fails on such images, or its costs cannot be counted.
    """
    images = torch.from_numpy(random_images(shape))
    try:
        recorder = trace(network.to("cpu", torch.float32).eval(), images)
    except Exception as error:
        raise BaselineError(
            f"{source}: the network fails on an image of shape {shape}: {describe_error(error)}"
        ) from error
    params = sum(parameter.numel() for parameter in network.parameters())
    try:
        costs, notes = count_costs(recorder, params)
    except BaselineError as error:
        raise BaselineError(f"{source}: {error}") from None
    return costs, notes, kernel_graph(recorder)
