"""Short trainings inside a search: what a run says of them, and how a worker does one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvt_nas.errors import RunError, TrainingError
from mvt_nas.training.protocol import Protocol

if TYPE_CHECKING:
    from mvt_nas.data.image_set import ImageSet
    from mvt_nas.space.architecture import Architecture

FOLDER = "training"
"""Of a run, where a training that goes on keeps its checkpoint."""


@dataclass(frozen=True, slots=True)
class Training:
    """How the candidates of a run are trained.

    Attributes:
        data: source of the pictures; a path is absolute.
        limit: pictures per class that are read.
        fingerprint: of the pictures.
        num_classes: of the pictures.
        protocol: the recipe.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    data: str
    limit: int | None
    fingerprint: str
    num_classes: int
    protocol: Protocol
    device: str = "auto"

    @staticmethod
    def of(data: str, *, protocol: Protocol | None = None, limit: int | None = None, device: str = "auto") -> Training:
        """Return how to train on some pictures, which are read for it.

        Raises:
            DataError: the pictures cannot be used, or are fewer than the protocol asks for.
        """
        from mvt_nas.accuracy.protocol import default_protocol

        place = str(Path(data).resolve()) if Path(data).exists() else data
        if protocol is None:
            protocol = default_protocol(len(_images(place, Protocol().pixels, limit, Protocol().split_seed)))
        images = _images(place, protocol.pixels, limit, protocol.split_seed)
        images.split(train=protocol.train_images, validation=protocol.validation_images, seed=protocol.split_seed)
        return Training(place, limit, images.fingerprint, len(images.class_names), protocol, device)

    def check(self) -> None:
        """Check that the pictures are still those that the run was started with.

        Raises:
            DataError: they cannot be read.
            RunError: they are others.
        """
        _images.cache_clear()  # they may have changed since this process read them
        found = self.images().fingerprint
        if found != self.fingerprint:
            raise RunError(f"{self.data}: these are not the pictures that the run was started with (hash {found}, not {self.fingerprint})")

    def images(self) -> ImageSet:
        """Return the pictures."""
        return _images(self.data, self.protocol.pixels, self.limit, self.protocol.split_seed)

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> Training:
        """Return what plain data describe.

        Raises:
            TypeError: something misses, or is too much.
            TrainingError: the protocol is damaged.
        """
        return Training(**(dict(data) | {"protocol": Protocol.from_dict(data["protocol"])}))


def trained_accuracy(
    training: Training, architecture: Architecture, seed: int, folder: Path | None, images: ImageSet | None = None
) -> float:
    """Return the validation accuracy in percent that an architecture reaches; an interrupted training goes on from its last epoch.

    Args:
        training: how to train.
        architecture: what to train.
        seed: of weights, order and augmentation.
        folder: where the checkpoint lies until the training is done; ``None`` for none.
        images: the pictures, where they need not be read.

    Raises:
        TrainingError: the training diverged.
    """
    from mvt_nas.training.result import COMPLETE
    from mvt_nas.training.train import train

    checkpoint = None
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / f"{architecture.key}.pt"
    pictures = training.images() if images is None else images
    result = train(architecture, pictures, training.protocol, seed=seed % 2**31, device=training.device, checkpoint=checkpoint)
    if checkpoint is not None:
        with suppress(OSError):
            checkpoint.unlink()
    if result.status != COMPLETE:
        raise TrainingError(result.status)
    return 100 * result.accuracy


@lru_cache(maxsize=1)
def _images(data: str, pixels: int, limit: int | None, seed: int) -> ImageSet:
    from mvt_nas.data.load import load_images

    return load_images(data, pixels, limit=limit, seed=seed)
