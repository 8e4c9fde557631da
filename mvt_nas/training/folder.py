"""What a training leaves in its folder, and who may write there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mvt_nas.errors import TrainingError
from mvt_nas.training.initial_weights import WEIGHTS


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """The files of a training."""

    path: Path

    @property
    def config(self) -> Path:
        """What was trained, how, and on what."""
        return self.path / "config.yaml"

    @property
    def network(self) -> Path:
        """The architecture as it was trained, JSON."""
        return self.path / "network.json"

    @property
    def metrics(self) -> Path:
        """A row for every epoch, CSV."""
        return self.path / "metrics.csv"

    @property
    def weights(self) -> Path:
        """The best weights, in our own names."""
        return self.path / WEIGHTS

    @property
    def confusion(self) -> Path:
        """Which classes the best weights take for which."""
        return self.path / "confusion.png"

    @property
    def detections(self) -> Path:
        """What the best weights of a detector find in some validation pictures."""
        return self.path / "detections.png"

    @property
    def curves(self) -> Path:
        """Precision by recall of a detector's best weights."""
        return self.path / "precision_recall.png"

    @property
    def last(self) -> Path:
        """The checkpoint that a training goes on from."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint after the best epoch."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def tensorboard(self) -> Path:
        """Curves for TensorBoard."""
        return self.path / "tensorboard"

    def write(self, path: Path, text: str) -> None:
        """Write a file of the folder in one step.

        Raises:
            TrainingError: it cannot be written.
        """
        building = path.with_name(f".{path.name}.new")
        try:
            building.write_text(text, encoding="utf-8")
            os.replace(building, path)
        except OSError as error:
            raise TrainingError(f"{path}: cannot be written ({error.strerror or error})") from None

    def write_weights(self, state: Mapping[str, Tensor]) -> None:
        """Write the best weights in one step.

        Raises:
            TrainingError: they cannot be written.
        """
        building = self.weights.with_name(f".{WEIGHTS}.new")
        try:
            torch.save(
                {name: value.detach().cpu().contiguous() for name, value in state.items()}, building
            )
            os.replace(building, self.weights)
        except (OSError, RuntimeError) as error:  # torch's writer raises the latter on a full disk
            raise TrainingError(
                f"{self.weights}: cannot be written ({getattr(error, 'strerror', None) or error})"
            ) from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nobody else train into the folder within the block; it is made where it is missing.

        Raises:
            TrainingError: another process does, or it cannot be made.
        """
        from filelock import FileLock, Timeout

        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock: Any = FileLock(self.path / ".lock")
            lock.acquire(timeout=0)
        except Timeout:
            raise TrainingError(
                f"{self.path}: another process is training into it; give another place with --out"
            ) from None
        except OSError as error:
            raise TrainingError(
                f"{self.path}: cannot be written ({error.strerror or error}); give another place"
                " with --out"
            ) from None
        try:
            yield
        finally:
            lock.release()
