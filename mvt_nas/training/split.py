"""Which pictures of a source are learnt from and which are judged by, told from its labels alone."""

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
    """The parts of a source.

    Attributes:
        learnt: rows, ascending, int64.
        judged: rows, ascending, int64, none of them in ``learnt``.
        mark: hash of labels, class names and both parts: equal for equal data sets split alike.
    """

    learnt: NDArray[np.int64]
    judged: NDArray[np.int64]
    mark: str


def split_dataset(catalogue: ImageCatalogue, validation_share: float, seed: int) -> DataSplit:
    """Return the parts of a source: its own validation pictures, or else a share of every class.

    Raises:
        DataError: fewer than two classes, none left to learn from, or none to judge by.
    """
    names, labels = catalogue.class_names, catalogue.labels
    if len(names) < 2:
        raise DataError(
            f"{catalogue.where}: the only class is {listing(names) or 'none'}; two or more are"
            " needed"
        )
    if catalogue.held_out.any():
        learnt, judged = np.flatnonzero(~catalogue.held_out), np.flatnonzero(catalogue.held_out)
    else:
        judged = _share(catalogue, validation_share, seed)
        learnt = np.setdiff1d(np.arange(len(labels)), judged)
    if not len(learnt):
        raise DataError(
            f"{catalogue.where}: only pictures for validation; others to learn from are needed"
        )
    mark = digest(
        repr(names).encode(),
        labels.astype(np.int64),
        learnt.astype(np.int64),
        judged.astype(np.int64),
    )
    return DataSplit(learnt.astype(np.int64), judged.astype(np.int64), mark)


def split_annotated(
    annotated: AnnotatedCatalogue, class_names: Sequence[str], validation_share: float, seed: int
) -> DataSplit:
    """Return the parts of a source of annotated pictures: its own validation pictures, or else a share of all.

    Raises:
        DataError: none left to learn from, or none to judge by.
    """
    count = len(annotated.held_out)
    judged = np.flatnonzero(annotated.held_out)
    if not len(judged):
        judged = np.sort(
            np.random.default_rng(seed).permutation(count)[
                : max(1, round(validation_share * count))
            ]
        )
    learnt = np.setdiff1d(np.arange(count), judged)
    if not len(learnt):
        raise DataError(
            f"{annotated.where}: only {len(judged)} pictures for validation; others to learn from"
            " are needed"
        )
    names = repr(tuple(class_names)).encode("utf-8", "surrogatepass")
    mark = digest(names, annotated.mark.encode(), learnt.astype(np.int64), judged.astype(np.int64))
    return DataSplit(learnt.astype(np.int64), judged.astype(np.int64), mark)


def _share(catalogue: ImageCatalogue, share: float, seed: int) -> NDArray[np.int64]:
    labels, random = catalogue.labels, np.random.default_rng(seed)
    return draw(
        labels,
        np.arange(len(labels)),
        max(1, round(share * len(labels))),
        random,
        f"{catalogue.where}: validation",
    )
