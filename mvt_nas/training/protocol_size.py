"""Protocols for the number of images that there are.

The default protocol is for 12,000 images. With fewer, a fifth of them are for validation, and small
batches make up for the shorter epochs: what a network learns depends on the number of steps.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from mvt_nas.data.dataset import ImageDataset
from mvt_nas.errors import DataError
from mvt_nas.training.reliability import ENOUGH_STEPS, FEW_STEPS
from mvt_nas.training.short_recipe import ShortRecipe

VALIDATION_SHARE = 0.2
"""Share of the images that are for validation, if the source keeps none for it."""

_SMALLEST_BATCH, _LARGEST_BATCH = 16, 64
_LEAST_EPOCHS, _MOST_EPOCHS = 10, 100
_COUNTS = ("train_images", "validation_images")


def scaled_protocol(images: int, held_out: int = 0) -> ShortRecipe:
    """Return the default protocol, scaled to a number of images.

    Args:
        images: Number of images.
        held_out: Number of those that the source itself keeps for validation.

    Raises:
        DataError: there are too few images for any protocol.
    """
    default = ShortRecipe()
    train, validation = _fitting_counts(default, images, held_out)
    batch = _batch_size(train)
    return dataclasses.replace(
        default,
        train_images=train,
        validation_images=validation,
        batch_size=batch,
        epochs=_epochs(train, batch),
    )


def load_protocol(
    protocol: ShortRecipe | str | Path | None, load: Callable[[ShortRecipe], ImageDataset]
) -> ShortRecipe:
    """Return a protocol that fits its images.

    Without a protocol it is the default one, scaled. If a file names neither ``train_images`` nor
    ``validation_images``, they are scaled, and so are ``epochs`` and ``batch_size`` if missing.

    Args:
        protocol: Protocol, its file, or ``None``.
        load: Returns the images at the size of a protocol.

    Raises:
        TrainingError: the file cannot be used.
        DataError: the images cannot be used, or the protocol asks for more of them than there are.
    """
    given: Collection[str] = ()
    if protocol is None:
        wanted = ShortRecipe()
    elif isinstance(protocol, ShortRecipe):
        wanted, given = protocol, _COUNTS
    else:
        wanted, given = ShortRecipe.load_with_names(protocol)
    images = load(wanted)
    if not any(name in given for name in _COUNTS):
        wanted = _filled(wanted, given, images)
    check_size(wanted, images)
    return wanted


def check_size(protocol: ShortRecipe, images: ImageDataset) -> None:
    """Check that a protocol asks for no more images than there are.

    Raises:
        DataError: it does; the message has everything that does not fit, and values that would.
    """
    fitting = _fitting(protocol, images)
    wanted = {name: getattr(protocol, name) for name in fitting}
    wrong = [name for name in _COUNTS if wanted[name] > fitting[name]]
    if not wrong:
        return
    changed = [name for name, value in fitting.items() if value != wanted[name]]
    raise DataError(
        f"{images.where}: {_describe_count(images)} do not suffice for"
        f" {_listed(wanted, wrong)} of the protocol; these values fit:"
        f" {_listed(fitting, changed)}"
    )


def _filled(protocol: ShortRecipe, given: Collection[str], images: ImageDataset) -> ShortRecipe:
    """Return a protocol whose missing values are those of the scaled default."""
    scaled = scaled_protocol(len(images), int(images.held_out.sum()))
    values: dict[str, Any] = {
        name: getattr(scaled, name)
        for name in (*_COUNTS, "batch_size", "epochs")
        if name not in given
    }
    if protocol.batch_size > scaled.train_images and "batch_size" in given:
        raise DataError(
            f"{images.where}: {_describe_count(images)} do not suffice for batch_size ="
            f" {protocol.batch_size} of the protocol; these values fit: batch_size ="
            f" {scaled.batch_size}, train_images = {scaled.train_images}, validation_images ="
            f" {scaled.validation_images}"
        )
    if "epochs" not in given:
        # The batch may be the protocol's own.
        batch = values.get("batch_size", protocol.batch_size)
        values["epochs"] = _epochs(scaled.train_images, batch)
    return dataclasses.replace(protocol, **values)


def _fitting(protocol: ShortRecipe, images: ImageDataset) -> dict[str, int]:
    """Return the values of a protocol that depend on the number of images, as far as they fit."""
    train, validation = _fitting_counts(protocol, len(images), int(images.held_out.sum()))
    batch, epochs = protocol.batch_size, protocol.epochs
    if batch > train:
        batch = _batch_size(train)
    if epochs * (train // batch) < FEW_STEPS:
        batch = min(batch, _batch_size(train))
        epochs = max(epochs, _epochs(train, batch))
    return {
        "train_images": train,
        "validation_images": validation,
        "batch_size": batch,
        "epochs": epochs,
    }


def _fitting_counts(protocol: ShortRecipe, images: int, held_out: int) -> tuple[int, int]:
    """Return the numbers of training and validation images that come nearest to a protocol's.

    Raises:
        DataError: there are too few images.
    """
    train, validation = protocol.train_images, protocol.validation_images
    if held_out:
        train, validation = min(train, images - held_out), min(validation, held_out)
    elif train + validation > images:
        validation = min(validation, max(1, round(VALIDATION_SHARE * images)))
        train = min(train, images - validation)
    if train < 2:
        raise DataError(f"{train} images for training are too few; at least 2 are needed")
    return train, validation


def _batch_size(train: int) -> int:
    """Return a power of two, 16 to 64, of which an epoch holds about a hundred or more."""
    largest = min(max(train // 100, _SMALLEST_BATCH), _LARGEST_BATCH, train)
    return int(2 ** math.floor(math.log2(largest)))


def _epochs(train: int, batch: int) -> int:
    """Return the number of epochs with enough steps, 10 to 100."""
    enough = math.ceil(ENOUGH_STEPS / (train // batch))
    return min(max(enough, _LEAST_EPOCHS), _MOST_EPOCHS)


def _describe_count(images: ImageDataset) -> str:
    held_out = int(images.held_out.sum())
    if not held_out:
        return f"{len(images)} images"
    return f"{len(images) - held_out} training and {held_out} validation images"


def _listed(values: dict[str, int], names: Collection[str]) -> str:
    return ", ".join(f"{name} = {values[name]}" for name in names)
