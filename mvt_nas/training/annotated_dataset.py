"""Annotated images for training and validation, read and augmented on demand.

As for classification, the augmentation of an image depends on the seed, the epoch and its position
in the epoch only.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import partial
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from mvt_nas.data.annotated_source import AnnotatedCatalogue, find_annotated
from mvt_nas.errors import DataError
from mvt_nas.training.dataset import ReopenedSource

T = TypeVar("T")
P = TypeVar("P")


def open_annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return the catalogue of a source for a task."""
    return find_annotated(source, kind).annotated(source, kind)


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedSample(Generic[T]):
    """An image with its target.

    Attributes:
        pixels: (H, W, 3), uint8.
        target: Target of the network.
        row: Row of the image in its source; -1 if it could not be read.
        unreadable: Images that could not be read, each with the reason.
        wrong: Invalid annotations, each with the reason.
    """

    pixels: NDArray[np.uint8]
    target: T
    row: int
    unreadable: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


class AnnotatedDataset(
    ReopenedSource[AnnotatedCatalogue], Dataset[AnnotatedSample[T]], ABC, Generic[P, T]
):
    """Images of a source, indexed by requests.

    Args:
        source: Name or path of the source.
        kind: Name of the task.
        annotated: Catalogue of the source.
    """

    def __init__(self, source: str, kind: str, annotated: AnnotatedCatalogue) -> None:
        super().__init__(partial(open_annotated, source, kind), annotated)

    def __getitem__(self, request: P) -> AnnotatedSample[T]:
        row, others = self._rows(request)
        try:
            sample, unreadable = self.first_readable(
                row, others, lambda row: AnnotatedSample(*self._read(row, request), row)
            )
        except DataError as error:
            # The training process raises it: a worker's traceback would fill the screen.
            return AnnotatedSample(*self._blank(request), -1, (), (str(error),))
        if sample is None:
            sample = AnnotatedSample(*self._blank(request), -1)
        return replace(sample, unreadable=unreadable)

    @abstractmethod
    def _rows(self, request: P) -> tuple[int, NDArray[np.int64]]:
        """Return the requested row, and the rows that may replace it, including itself."""

    @abstractmethod
    def _read(self, row: int, request: P) -> tuple[NDArray[np.uint8], T]:
        """Return pixels (H, W, 3) and target of a row.

        Raises:
            DataError: the annotation is not allowed.
            OSError: the image cannot be read; also ``Unreadable`` and ``TooLarge``.
        """

    @abstractmethod
    def _blank(self, request: P) -> tuple[NDArray[np.uint8], T]:
        """Return pixels and a target that count for nothing."""


def black_square(px: int) -> NDArray[np.uint8]:
    """Return black pixels, (px, px, 3)."""
    return np.zeros((px, px, 3), np.uint8)
