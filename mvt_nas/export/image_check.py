"""Exported networks on real pictures: those that judged the training, prepared as they were there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mvt_nas.data.load import find_source
from mvt_nas.errors import DataError
from mvt_nas.export.base import ExportModel
from mvt_nas.export.verification import ExportResult, reference
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.dataset import UNREADABLE, ValidationDataset
from mvt_nas.training.split import split_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs

_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """What the same pictures are taken for by a network and by what was exported of it.

    Attributes:
        count: of pictures.
        own: share whose likeliest class is right by the network itself, 0 to 1.
        top1: the same by target, of those that run here.
        alike: by target, the number of pictures whose likeliest class is the network's.
    """

    count: int
    own: float
    top1: dict[str, float]
    alike: dict[str, int]


def check_on_images(
    subject: ExportModel, exported: Sequence[ExportResult], config: TrainingConfig, most: int
) -> ImageCheck:
    """Return what a network and its exports make of the validation pictures of its training.

    Args:
        subject: the network.
        exported: what came of it.
        config: of the training.
        most: pictures; of more, so many are taken, evenly spread.

    Raises:
        DataError: the pictures cannot be had any more, or have other classes now.
    """
    running, own_run = [one for one in exported if one.run is not None], reference(subject)
    seen = [
        (labels, _likeliest(own_run(images)), _classes(running, images))
        for images, labels in _batches(config, most)
    ]
    if not seen:
        raise DataError("none of the validation pictures can be read")
    labels, own = np.concatenate([one[0] for one in seen]), np.concatenate([one[1] for one in seen])
    theirs = {
        one.target: np.concatenate([by_target[one.target] for _, _, by_target in seen])
        for one in running
    }
    top1 = {name: float(np.mean(classes == labels)) for name, classes in theirs.items()}
    alike = {name: int(np.sum(classes == own)) for name, classes in theirs.items()}
    return ImageCheck(len(labels), float(np.mean(own == labels)), top1, alike)


def _classes(
    running: Sequence[ExportResult], images: NDArray[np.float32]
) -> dict[str, NDArray[np.int64]]:
    """Return by target the likeliest class of each image, (B,); one image at a time where the form takes no more."""
    result = {}
    for one in running:
        assert one.run is not None, "only what runs is asked"
        step = len(images) if len(one.batches) > 1 else 1
        result[one.target] = np.concatenate(
            [_likeliest(one.run(images[at : at + step])) for at in range(0, len(images), step)]
        )
    return result


def _likeliest(logits: Outputs) -> NDArray[np.int64]:
    assert not isinstance(logits, tuple), "a classifier has one output"
    return np.asarray(logits.argmax(1), dtype=np.int64)


def _batches(
    config: TrainingConfig, most: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield validation pictures (B, 3, H, W) from 0 to 1 with their labels (B,), unreadable ones left out."""
    training = config.training
    assert training is not None, "only a training has pictures"
    catalogue = find_source(training.data).catalogue(training.data)
    if catalogue.class_names != training.class_names:
        raise DataError(f"{catalogue.where}: other classes than in the training")
    rows = split_dataset(catalogue, training.validation_share, training.seed).validation
    rows = rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(int)]
    pictures = ValidationDataset(training.data, catalogue, config.recipe.images)
    for start in range(0, len(rows), _AT_ONCE):
        samples = [
            (pixels, label)
            for pixels, label, _ in map(pictures.__getitem__, rows[start : start + _AT_ONCE])
            if label != UNREADABLE
        ]
        if samples:
            images = np.stack([pixels for pixels, _ in samples]).transpose(0, 3, 1, 2)
            yield (
                images.astype(np.float32) / np.float32(255),
                np.array([label for _, label in samples]),
            )
