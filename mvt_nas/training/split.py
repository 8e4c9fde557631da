"""The split of a source into training and validation images, by its labels alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data.annotated_source import AnnotatedCatalogue
from mvt_nas.data.dataset import digest
from mvt_nas.data.source import ImageCatalogue
from mvt_nas.data.stratify import draw
from mvt_nas.errors import DataError, listing


@dataclass(frozen=True, slots=True, eq=False)
class DataSplit:
    """The training and validation images of a source.

    Attributes:
        train: Rows of the training images, ascending, int64.
        validation: Rows of the validation images, ascending, int64, none of them in ``train``.
        hash: Hash of labels, class names and both parts: equal for equal datasets split alike.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    hash: str


def split_dataset(catalogue: ImageCatalogue, validation_share: float, seed: int) -> DataSplit:
    """Return the split of a source: its own validation images, or else a share of every class.

    Raises:
        DataError: there are fewer than two classes, or no training or validation images.
    """
    names, labels = catalogue.class_names, catalogue.labels
    if len(names) < 2:
        raise DataError(
            f"{catalogue.where}: the only class is {listing(names) or 'none'}; two or more are"
            " needed"
        )
    if catalogue.held_out.any():
        validation = np.flatnonzero(catalogue.held_out)
    else:
        validation = draw(
            labels,
            np.arange(len(labels)),
            max(1, round(validation_share * len(labels))),
            np.random.default_rng(seed),
            f"{catalogue.where}: validation",
        )
    train = np.setdiff1d(np.arange(len(labels)), validation)
    if not len(train):
        raise DataError(
            f"{catalogue.where}: only images for validation; others for training are needed"
        )
    return _split(train, validation, repr(names).encode(), labels.astype(np.int64))


def split_annotated(
    annotated: AnnotatedCatalogue, class_names: Sequence[str], validation_share: float, seed: int
) -> DataSplit:
    """Return the split of annotated images: the source's validation images, or a share of all.

    Raises:
        DataError: there are no training or validation images.
    """
    count = len(annotated.held_out)
    validation = np.flatnonzero(annotated.held_out)
    if not len(validation):
        shuffled = np.random.default_rng(seed).permutation(count)
        validation = np.sort(shuffled[: max(1, round(validation_share * count))])
    train = np.setdiff1d(np.arange(count), validation)
    if not len(train):
        raise DataError(
            f"{annotated.where}: only {len(validation)} images for validation; others for"
            " training are needed"
        )
    names = repr(tuple(class_names)).encode("utf-8", "surrogatepass")
    return _split(train, validation, names, annotated.mark.encode())


def _split(
    train: NDArray[np.integer],
    validation: NDArray[np.integer],
    *content: bytes | NDArray[np.int64],
) -> DataSplit:
    """Return a split whose hash is that of the content, the training and the validation rows."""
    train_rows = train.astype(np.int64)
    validation_rows = validation.astype(np.int64)
    return DataSplit(train_rows, validation_rows, digest(*content, train_rows, validation_rows))
