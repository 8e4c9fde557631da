"""A trainer without training, for tests of what a search does around its trainings.

The real ``train_short`` runs: its checkpoints, resumption, pauses and divergence are those of a real
training. Only its network, its epochs and its evaluation are replaced: the accuracy is a function of
the architecture, the seed and the number of epochs. Processes that a search spawns train for real.
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
import torch

from mvt_nas.space.architecture import Architecture
from mvt_nas.training.short import train as train_module
from mvt_nas.training.short.state import ShortTrainingState


class FakeNetwork:
    """A network that knows which it is, and for how many epochs it was trained."""

    def __init__(self, key: str, seed: int) -> None:
        self.key = key
        self.seed = seed
        self.epochs = 0

    def state_dict(self) -> dict[str, Any]:
        return {"epochs": torch.tensor(self.epochs)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epochs = int(state["epochs"])

    @property
    def accuracy(self) -> float:
        """Share from 0.1 to 0.9 that rises with the epochs, towards a limit of its own."""
        digest = hashlib.sha256(f"{self.key} {self.seed}".encode()).digest()
        limit = int.from_bytes(digest[:4], "big") / 2**32
        return 0.1 + 0.8 * limit * self.epochs / (self.epochs + 1)


class FakeOptimizer:
    """An optimizer without a state."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert state == {}


def new_state(
    architecture: Architecture, _protocol: object, _num_classes: int, seed: int, _device: object
) -> ShortTrainingState:
    network: Any = FakeNetwork(architecture.key, seed)
    average: Any = FakeNetwork(architecture.key, seed)
    optimizer: Any = FakeOptimizer()
    return ShortTrainingState(network, average, optimizer, [])


def train_one_epoch(now: Any, *_: object) -> float:
    now.network.epochs += 1
    now.average.epochs += 1
    return 2.0 - float(now.network.accuracy)


def evaluate(network: FakeNetwork, *_: object) -> tuple[float, float]:
    return 2.0 - network.accuracy, network.accuracy


def install_fake_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings in this process take no time."""
    monkeypatch.setattr(train_module, "new_short_training_state", new_state)
    monkeypatch.setattr(train_module, "train_one_epoch", train_one_epoch)
    monkeypatch.setattr(train_module, "evaluate", evaluate)
