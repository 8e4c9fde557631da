"""The files of a training in its folder, and the lock on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mvt_nas._io import atomic_write, locked, write_text
from mvt_nas.errors import TrainingError
from mvt_nas.training.initial_weights import WEIGHTS


@dataclass(frozen=True, slots=True)
class TrainingFolder:
    """The files of a training."""

    path: Path

    @property
    def config(self) -> Path:
        """The configuration: network, recipe and data."""
        return self.path / "config.yaml"

    @property
    def network(self) -> Path:
        """The architecture as it was trained, JSON."""
        return self.path / "network.json"

    @property
    def metrics(self) -> Path:
        """The training history, a row per epoch, CSV."""
        return self.path / "metrics.csv"

    @property
    def weights(self) -> Path:
        """The best weights, under our own names."""
        return self.path / WEIGHTS

    @property
    def confusion(self) -> Path:
        """The plot of the best weights' confusion matrix."""
        return self.path / "confusion.png"

    @property
    def detections(self) -> Path:
        """The plot of what the best weights of a detector find in some validation images."""
        return self.path / "detections.png"

    @property
    def curves(self) -> Path:
        """The plot of precision by recall of a detector's best weights."""
        return self.path / "precision_recall.png"

    @property
    def last(self) -> Path:
        """The checkpoint that a training resumes from."""
        return self.path / "checkpoints" / "last.ckpt"

    @property
    def best(self) -> Path:
        """The checkpoint after the best epoch."""
        return self.path / "checkpoints" / "best.ckpt"

    @property
    def tensorboard(self) -> Path:
        """The folder of the curves for TensorBoard."""
        return self.path / "tensorboard"

    def write(self, path: Path, text: str) -> None:
        """Write a text file of the folder.

        Raises:
            TrainingError: it cannot be written.
        """
        write_text(path, text, error=TrainingError)

    def write_weights(self, state: Mapping[str, Tensor]) -> None:
        """Write the best weights.

        Raises:
            TrainingError: they cannot be written.
        """
        tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
        with atomic_write(self.weights, error=TrainingError) as file:
            torch.save(tensors, file)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder for this process within the block; the folder is made if missing.

        Raises:
            TrainingError: another process trains into it, or it cannot be made.
        """
        busy = "another process is training into it; choose another folder"
        with locked(self.path, error=TrainingError, busy=busy):
            self._remove_temporary_files()
            yield

    def _remove_temporary_files(self) -> None:
        """Remove what a process that was killed while it wrote a file has left."""
        for folder in (self.path, self.last.parent):
            for path in folder.glob(".*.tmp"):
                with suppress(OSError):
                    path.unlink()
