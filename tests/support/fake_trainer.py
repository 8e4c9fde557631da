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
from mvt_nas.training import short_training
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.short_training import DivergenceError, ShortEpochRecord, ShortTraining
from mvt_nas.training.state import TrainingState


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


class FakeTraining(ShortTraining):
    """A short training whose epochs only count themselves."""

    def __init__(
        self, state: TrainingState[ShortEpochRecord], recipe: ShortRecipe, *_: object, **__: object
    ) -> None:
        self._state = state
        self._recipe = recipe

    def run_epoch(self) -> None:
        try:
            loss = self.train_one_epoch()
        except DivergenceError as error:
            self._state.status = f"diverged: {error} in epoch {self._state.epoch + 1}"
            return
        accuracy = float(self._state.network.accuracy)
        averaged = float(self._state.average.accuracy)
        self._state.next_epoch(ShortEpochRecord(loss, 2.0 - accuracy, accuracy, averaged))

    def train_one_epoch(self) -> float:
        # Looked up in the module, where tests put interruptions and divergence.
        short_training.train_one_epoch(self._state, None)  # type: ignore[arg-type]
        return 2.0 - float(self._state.network.accuracy)


def new_state(
    architecture: Architecture, _recipe: object, _num_classes: int, seed: int, _device: object
) -> TrainingState[ShortEpochRecord]:
    network: Any = FakeNetwork(architecture.key, seed)
    average: Any = FakeNetwork(architecture.key, seed)
    optimiser: Any = FakeOptimizer()
    return TrainingState(network, average, optimiser, ShortEpochRecord.from_values)


def train_one_epoch(state: TrainingState[Any], *_: object) -> float:
    state.network.epochs += 1
    state.average.epochs += 1
    return 0.0


def install_fake_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let trainings in this process take no time."""
    monkeypatch.setattr(short_training, "new_short_training_state", new_state)
    monkeypatch.setattr(short_training, "train_one_epoch", train_one_epoch)
    monkeypatch.setattr(short_training, "ShortTraining", FakeTraining)
