"""Annotated pictures to learn from and to judge by, read when they are asked for, with what is done to them.

What is done to a picture depends on the seed, the epoch and its position in the epoch alone, as for
classification.
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
    """Return what a source holds, for a task."""
    return find_annotated(source, kind).annotated(source, kind)


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedSample(Generic[T]):
    """A picture with what belongs to it.

    Attributes:
        pixels: (H, W, 3), uint8.
        target: what the network should say of it.
        row: of the picture in its source; -1 where it could not be read.
        unreadable: pictures that could not be read, each with the reason.
        wrong: annotations that are not allowed, each with the reason.
    """

    pixels: NDArray[np.uint8]
    target: T
    row: int
    unreadable: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()


class AnnotatedDataset(
    ReopenedSource[AnnotatedCatalogue], Dataset[AnnotatedSample[T]], ABC, Generic[P, T]
):
    """Pictures of a source by what is wanted of them.

    Args:
        source: its name or path.
        kind: of the task.
        annotated: what it holds.
    """

    def __init__(self, source: str, kind: str, annotated: AnnotatedCatalogue) -> None:
        super().__init__(partial(open_annotated, source, kind), annotated)

    def __getitem__(self, wanted: P) -> AnnotatedSample[T]:
        row, others = self._rows(wanted)
        try:
            found, unreadable = self.first_readable(
                row, others, lambda row: AnnotatedSample(*self._read(row, wanted), row)
            )
        except DataError as error:  # told by the process that trains, where it is one line
            return AnnotatedSample(*self._blank(wanted), -1, (), (str(error),))
        return replace(found or AnnotatedSample(*self._blank(wanted), -1), unreadable=unreadable)

    @abstractmethod
    def _rows(self, wanted: P) -> tuple[int, NDArray[np.int64]]:
        """Return the row of what is wanted, and the rows of which another may stand in for it, itself among them."""

    @abstractmethod
    def _read(self, row: int, wanted: P) -> tuple[NDArray[np.uint8], T]:
        """Return pixels (H, W, 3) and target of a row; raises what cannot be read, and ``DataError``."""

    @abstractmethod
    def _blank(self, wanted: P) -> tuple[NDArray[np.uint8], T]:
        """Return pixels and target that teach and count nothing."""


def square(px: int) -> NDArray[np.uint8]:
    """Return black pixels, (px, px, 3)."""
    return np.zeros((px, px, 3), np.uint8)
