"""Labelled pictures of one size, and their division into a part to learn from and a part to judge by."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data.stratify import draw
from mvt_nas.errors import DataError, listing


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Which pictures of a set are for what.

    Attributes:
        train: indices, ascending, int64.
        validation: indices, ascending, int64, none of them in ``train``.
        hash: of the pictures and of both parts; equal hashes mean equal splits of equal pictures.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    hash: str


@dataclass(frozen=True, slots=True, eq=False)
class ImageDataset:
    """Labelled pictures of one size.

    Attributes:
        images: (N, H, W, 3), uint8, RGB; may lie in a file and be read-only.
        labels: (N,), int64, from 0.
        class_names: by label.
        held_out: (N,), whether the source itself keeps a picture for validation.
        where: the source in words, for messages.
        fingerprint: the hash of pictures, labels and class names.
        skipped: pictures that could not be read, each with the reason.

    Raises:
        DataError: the arrays do not fit together, or there are fewer than two classes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    held_out: NDArray[np.bool_]
    where: str
    fingerprint: str
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.images.shape
        if (
            len(shape) != 4
            or shape[1] != shape[2]
            or shape[3] != 3
            or self.images.dtype != np.uint8
        ):
            raise DataError(
                f"{self.where}: images {shape} in {self.images.dtype}; square pictures (N, H, H, 3)"
                " in uint8 are needed"
            )
        if self.labels.shape != shape[:1] or self.held_out.shape != shape[:1]:
            raise DataError(
                f"{self.where}: {len(self.labels)} labels for {shape[0]} pictures; one each is"
                " needed"
            )
        if len(self.class_names) < 2:
            raise DataError(
                f"{self.where}: the only class is {listing(self.class_names) or 'none'}; two or"
                " more are needed"
            )
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < len(
            self.class_names
        ):
            raise DataError(
                f"{self.where}: labels from {self.labels.min()} to {self.labels.max()};"
                f" {len(self.class_names)} classes are named"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels(self) -> int:
        """The side of the pictures in pixels."""
        return int(self.images.shape[1])

    def split(self, *, train: int | None, validation: int, seed: int) -> Split:
        """Return a split in which every class has its share; the same arguments give the same one.

        Where the source keeps pictures for validation, validation is drawn from them and training
        from the others.

        Args:
            train: pictures to learn from; ``None`` takes all that are left.
            validation: pictures to judge by.
            seed: of the draw.

        Raises:
            DataError: there are not as many.
        """
        random = np.random.default_rng(seed)
        own = bool(self.held_out.any())
        pool = np.flatnonzero(self.held_out) if own else np.arange(len(self))
        judged = draw(self.labels, pool, validation, random, f"{self.where}: validation")
        rest = np.flatnonzero(~self.held_out) if own else np.setdiff1d(pool, judged)
        learnt = draw(
            self.labels, rest, len(rest) if train is None else train, random, f"{self.where}: train"
        )
        return Split(learnt, judged, digest(self.fingerprint.encode(), learnt, judged))


def fingerprint(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    held_out: NDArray[np.bool_],
) -> str:
    """Return the hash of the content of a set."""
    return digest(repr((images.shape, class_names)).encode(), images, labels, held_out)


def digest(*parts: bytes | NDArray[np.generic]) -> str:
    """Return the hash of bytes and arrays one after the other, 16 hexadecimal digits."""
    result = hashlib.sha256()
    for part in parts:
        result.update(
            part if isinstance(part, bytes) else np.ascontiguousarray(part).view(np.uint8).data
        )
        result.update(b"\0")
    return result.hexdigest()[:16]
