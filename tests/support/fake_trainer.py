"""A trainer without training, for tests of what a search does around its trainings.

The real ``train_short`` runs: its checkpoints, resumption, pauses and divergence are those of a
real training. Only its network, its epochs and its evaluation are replaced: the accuracy is a
function of the architecture, the seed and the number of epochs. Processes that a search spawns
train for real.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import nn

from mvt_nas.space.architecture import Architecture
from mvt_nas.training import short_loop, short_training
from mvt_nas.training.short_loop import ShortEpochRecord
from mvt_nas.training.state import TrainingState


class FakeNetwork(nn.Module):
    """A network that knows which it is, and for how many epochs it was trained."""

    epochs: torch.Tensor

    def __init__(self, key: str, seed: int) -> None:
        super().__init__()
        self.key = key
        self.seed = seed
        self.register_buffer("epochs", torch.tensor(0))

    @property
    def accuracy(self) -> float:
        """Share from 0.1 to 0.9 that rises with the epochs, towards a limit of its own."""
        digest = hashlib.sha256(f"{self.key} {self.seed}".encode()).digest()
        limit = int.from_bytes(digest[:4], "big") / 2**32
        epochs = int(self.epochs)
        return 0.1 + 0.8 * limit * epochs / (epochs + 1)


class FakeOptimizer:
    """An optimizer without a state."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        assert state == {}


def new_state(
    architecture: Architecture, _protocol: object, _num_classes: int, seed: int, _device: object
) -> TrainingState[ShortEpochRecord]:
    network = FakeNetwork(architecture.key, seed)
    average = FakeNetwork(architecture.key, seed)
    optimizer: Any = FakeOptimizer()
    return TrainingState(network, average, optimizer, ShortEpochRecord.from_values)


def train_one_epoch(state: Any, _loop: object) -> float:
    """Make one step, whose loss is the mean loss of the epoch."""
    state.network.epochs += 1
    state.average.epochs += 1
    state.step += 1
    state.steps += 1
    state.loss_sum += 2.0 - state.network.accuracy
    return 0.0


def evaluate(
    networks: Sequence[FakeNetwork], *_: object
) -> tuple[list[tuple[float, float]], list[str]]:
    return [(2.0 - network.accuracy, network.accuracy) for network in networks], []


def install_fake_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings in this process take no time."""
    monkeypatch.setattr(short_training, "new_short_training_state", new_state)
    monkeypatch.setattr(short_loop, "train_one_epoch", train_one_epoch)
    monkeypatch.setattr(short_loop, "evaluate", evaluate)
