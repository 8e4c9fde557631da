"""Contract of a proxy."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from mvt_nas.models.network import build_model
from mvt_nas.proxies.base import PROXIES, Proxy
from mvt_nas.proxies.batches import digits_batch, noise_batch
from mvt_nas.proxies.types import Batch
from mvt_nas.testing.networks import NUM_CLASSES, RESOLUTION_PX, small_architecture


class ProxyContract:
    """Checks of a proxy: its declaration, its values, and that it changes nothing.

    Attributes:
        name: Name of the proxy.
    """

    name: ClassVar[str]

    @property
    def proxy(self) -> Proxy:
        """The registered proxy."""
        return PROXIES.get(self.name)

    @staticmethod
    def network(seed: int = 0) -> torch.nn.Module:
        """Return a small network in training mode."""
        return build_model(small_architecture(), num_classes=NUM_CLASSES, seed=seed).train()

    @staticmethod
    def batch(seed: int = 0) -> Batch:
        """Return eight images, (8, 3, 64, 64), of handwritten digits."""
        return digits_batch(8, RESOLUTION_PX, seed=seed)

    def test_it_is_declared_in_full(self) -> None:
        """Name, direction, cost and source are there."""
        assert self.proxy.name == self.name
        assert self.proxy.direction in ("max", "min")
        assert self.proxy.passes
        assert self.proxy.source

    def test_the_same_seed_gives_the_same_score(self) -> None:
        """A score depends on the network and the batch alone."""
        first = self.proxy.score(self.network(), self.batch())
        torch.manual_seed(99)
        assert self.proxy.score(self.network(), self.batch()) == first

    def test_a_score_is_finite_and_no_worse_than_the_worst(self) -> None:
        """The declared bound holds on digits and on noise."""
        for batch in (self.batch(), noise_batch(4, RESOLUTION_PX, seed=1)):
            score = self.proxy.score(self.network(), batch)
            assert math.isfinite(score)
            worst = self.proxy.worst
            assert score >= worst if self.proxy.direction == "max" else score <= worst

    def test_it_leaves_the_network_and_the_random_state_as_they_were(self) -> None:
        """Weights, buffers, gradients, modes and hooks are preserved."""
        network = self.network()
        before = _state(network)
        random = torch.get_rng_state()
        self.proxy.score(network, self.batch())
        assert _state(network) == before
        assert torch.equal(torch.get_rng_state(), random)


def _state(network: torch.nn.Module) -> list[object]:
    """Return everything that a proxy has to preserve, comparable to the last bit."""
    state: list[object] = []
    for name, module in network.named_modules():
        state.append((name, module.training, len(module._forward_hooks), sorted(vars(module))))
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        state.append((name, tensor.requires_grad, _bytes(tensor), _bytes(tensor.grad)))
    return state


def _bytes(tensor: Tensor | None) -> bytes:
    return b"" if tensor is None else tensor.detach().numpy().tobytes()
