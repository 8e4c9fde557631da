"""Comparison of exported networks with PyTorch on the validation images of their training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mvt_nas.data.source import find_source
from mvt_nas.errors import DataError
from mvt_nas.export.base import ExportModel
from mvt_nas.export.verification import ExportResult, reference_run
from mvt_nas.training.config import TrainingConfig
from mvt_nas.training.dataset import UNREADABLE, ValidationDataset
from mvt_nas.training.split import split_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mvt_nas.export.base import Outputs, Run

_BATCH_SIZE = 16


@dataclass(frozen=True, slots=True)
class ImageCheck:
    """Top-1 accuracy of a network and of its exports on the same images.

    Attributes:
        count: Number of images.
        pytorch_top1: Top-1 accuracy of the network in PyTorch, 0 to 1.
        top1: Top-1 accuracy by target, 0 to 1, of the exports that run here.
        agreements: Number of images by target for which the export predicts the same class as
            PyTorch.
    """

    count: int
    pytorch_top1: float
    top1: dict[str, float]
    agreements: dict[str, int]


def check_on_images(
    model: ExportModel, results: Sequence[ExportResult], config: TrainingConfig, max_images: int
) -> ImageCheck:
    """Compare a classifier and its exports on the validation images of its training.

    Args:
        model: The network.
        results: Its exports.
        config: Configuration of the training.
        max_images: Largest number of images; of more, an evenly spaced subset is used.

    Raises:
        DataError: The images are no longer available, or have other classes now.
    """
    runs: dict[str, tuple[Run, bool]] = {
        result.target: (result.run, len(result.batches) > 1)
        for result in results
        if result.run is not None
    }
    pytorch_run = reference_run(model)
    labels: list[NDArray[np.int64]] = []
    pytorch_classes: list[NDArray[np.int64]] = []
    export_classes: dict[str, list[NDArray[np.int64]]] = {target: [] for target in runs}
    for images, batch_labels in _validation_batches(config, max_images):
        labels.append(batch_labels)
        pytorch_classes.append(_top_class(pytorch_run(images)))
        for target, (run, any_batch) in runs.items():
            export_classes[target].append(_predict(run, images, any_batch))
    if not labels:
        raise DataError("none of the validation images can be read")
    return _summary(
        np.concatenate(labels),
        np.concatenate(pytorch_classes),
        {target: np.concatenate(classes) for target, classes in export_classes.items()},
    )


def _summary(
    labels: NDArray[np.int64],
    pytorch_classes: NDArray[np.int64],
    export_classes: dict[str, NDArray[np.int64]],
) -> ImageCheck:
    """Compare predicted classes, each (N,), with the labels (N,) and with PyTorch's."""
    return ImageCheck(
        count=len(labels),
        pytorch_top1=float(np.mean(pytorch_classes == labels)),
        top1={
            target: float(np.mean(classes == labels)) for target, classes in export_classes.items()
        },
        agreements={
            target: int(np.sum(classes == pytorch_classes))
            for target, classes in export_classes.items()
        },
    )


def _predict(run: Run, images: NDArray[np.float32], any_batch: bool) -> NDArray[np.int64]:
    """Return the predicted classes, (B,), of images, (B, 3, H, W), one at a time if need be."""
    size = len(images) if any_batch else 1
    parts = [_top_class(run(images[start : start + size])) for start in range(0, len(images), size)]
    return np.concatenate(parts)


def _top_class(logits: Outputs) -> NDArray[np.int64]:
    assert not isinstance(logits, tuple), "a classifier has one output"
    return np.asarray(logits.argmax(1), dtype=np.int64)


def _validation_batches(
    config: TrainingConfig, max_images: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Yield readable validation images, (B, 3, H, W), from 0 to 1, and their labels, (B,)."""
    training = config.training
    assert training is not None, "the configuration is not that of a training"
    catalogue = find_source(training.data).catalogue(training.data)
    if catalogue.class_names != training.class_names:
        raise DataError(f"{catalogue.where}: other classes than in the training")
    rows = split_dataset(catalogue, training.validation_share, training.seed).validation
    rows = rows[np.linspace(0, len(rows) - 1, min(max_images, len(rows))).astype(int)]
    dataset = ValidationDataset(training.data, catalogue, config.recipe.images)
    for start in range(0, len(rows), _BATCH_SIZE):
        samples = [dataset[row] for row in rows[start : start + _BATCH_SIZE]]
        readable = [(pixels, label) for pixels, label, _ in samples if label != UNREADABLE]
        if readable:
            # (B, H, W, 3) in uint8 to (B, 3, H, W) in fp32.
            pixels = np.stack([image for image, _ in readable]).transpose(0, 3, 1, 2)
            images = pixels.astype(np.float32) / np.float32(255)
            yield images, np.array([label for _, label in readable])
