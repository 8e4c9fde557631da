"""Labelled images of one size, and their split into training and validation images."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray
from mvt_nas.data.stratify import draw
from mvt_nas.errors import DataError, listing


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Training and validation images of a dataset.

    Attributes:
        train: Indices of the training images, ascending, int64.
        validation: Indices of the validation images, ascending, int64, none of them in ``train``.
        hash: Hash of the images and of both parts; equal hashes mean equal splits of equal images.
    """

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    hash: str


@dataclass(frozen=True, slots=True, eq=False)
class ImageDataset:
    """Labelled images of one size.

    Attributes:
        images: Images (N, H, W, 3), uint8, RGB; possibly mapped from a file and read-only.
        labels: Labels (N,), int64, from 0.
        class_names: Names of the classes by label.
        held_out: Whether the source itself keeps an image for validation, (N,).
        where: Name of the source, for messages.
        fingerprint: Hash of images, labels and class names.
        skipped: Names of unreadable images, each with the reason.

    Raises:
        DataError: the arrays do not match, or there are fewer than two classes.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    held_out: BoolArray
    where: str
    fingerprint: str
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = self.images.shape
        square = len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3
        if not square or self.images.dtype != np.uint8:
            raise DataError(
                f"{self.where}: images {shape} in {self.images.dtype}; square images (N, H, H, 3)"
                " in uint8 are needed"
            )
        if self.labels.shape != shape[:1] or self.held_out.shape != shape[:1]:
            raise DataError(
                f"{self.where}: {len(self.labels)} labels for {shape[0]} images; one each is needed"
            )
        classes = len(self.class_names)
        if classes < 2:
            raise DataError(
                f"{self.where}: the only class is {listing(self.class_names) or 'none'}; two or"
                " more are needed"
            )
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < classes:
            raise DataError(
                f"{self.where}: labels from {self.labels.min()} to {self.labels.max()};"
                f" {classes} classes are named"
            )

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def pixels(self) -> int:
        """Side of the images in pixels."""
        return int(self.images.shape[1])

    def split(self, *, train: int | None, validation: int, seed: int) -> Split:
        """Return a stratified split; the same arguments give the same split.

        If the source itself keeps images for validation, the validation images are drawn from them
        and the training images from the others.

        Args:
            train: Number of training images; ``None`` takes all remaining images.
            validation: Number of validation images.
            seed: Seed of the draw.

        Raises:
            DataError: there are not enough images.
        """
        rng = np.random.default_rng(seed)
        has_own = bool(self.held_out.any())
        candidates = np.flatnonzero(self.held_out) if has_own else np.arange(len(self))
        validation_rows = draw(
            self.labels, candidates, validation, rng, f"{self.where}: validation"
        )
        rest = (
            np.flatnonzero(~self.held_out) if has_own else np.setdiff1d(candidates, validation_rows)
        )
        size = len(rest) if train is None else train
        train_rows = draw(self.labels, rest, size, rng, f"{self.where}: train")
        identity = digest(self.fingerprint.encode(), train_rows, validation_rows)
        return Split(train_rows, validation_rows, identity)


def fingerprint(
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    class_names: tuple[str, ...],
    held_out: BoolArray,
) -> str:
    """Return the hash of a dataset's content."""
    return digest(repr((images.shape, class_names)).encode(), images, labels, held_out)


def digest(*parts: bytes | NDArray[np.generic]) -> str:
    """Return the hash of bytes and arrays one after the other, 16 hexadecimal digits."""
    result = hashlib.sha256()
    for part in parts:
        if isinstance(part, bytes):
            result.update(part)
        else:
            result.update(np.ascontiguousarray(part).view(np.uint8).data)
        # A separator, so that moving a byte from one part to the next changes the hash.
        result.update(b"\0")
    return result.hexdigest()[:16]
