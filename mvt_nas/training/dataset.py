"""The pictures of a source, each read and decoded when it is asked for: a data set may be larger than memory.

What is done to a picture depends on the seed, the epoch and its position in the epoch alone, not on
which worker does it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from mvt_nas.data.decode import TooLarge, Unreadable, decode_part, strict_warnings
from mvt_nas.data.load import SMALL_SHARE
from mvt_nas.data.source import ImageCatalogue, find_source
from mvt_nas.training.batch_sampler import ImageRequest
from mvt_nas.training.recipe import Augmentation, Images
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.transforms.crop import center_crop, random_resized_crop
from mvt_nas.training.transforms.rand_augment import rand_augment
from mvt_nas.training.transforms.random_erasing import erase

if TYPE_CHECKING:
    from PIL.Image import Image

UNREADABLE = -1
"""The label of a picture that could not be read."""


def most_unreadable(count: int) -> int:
    """Return how many of some pictures may be unreadable before a training is broken off."""
    return max(1, int(SMALL_SHARE * count))


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Pictures of one size.

    Attributes:
        images: (B, 3, H, W), uint8.
        labels: (B,), int64.
        unreadable: pictures that could not be read, each with the reason.
        wrong: annotations that are not allowed, each with the reason.
    """

    images: Tensor
    labels: Tensor
    unreadable: tuple[str, ...]
    wrong: tuple[str, ...] = ()

    def pin_memory(self) -> ImageBatch:
        """Return the batch in memory that an accelerator can read by itself; torch's loader calls this."""
        return ImageBatch(
            self.images.pin_memory(), self.labels.pin_memory(), self.unreadable, self.wrong
        )


Sample = tuple[NDArray[np.uint8], int, tuple[str, ...]]
"""Pixels (H, W, 3), label, and what could not be read."""


def collate(samples: Sequence[Sample]) -> ImageBatch:
    """Return samples as a batch."""
    images = torch.from_numpy(np.stack([pixels for pixels, _, _ in samples])).permute(0, 3, 1, 2)
    return ImageBatch(
        images,
        torch.tensor([label for _, label, _ in samples]),
        tuple(name for _, _, names in samples for name in names),
    )


class NamedImages(Protocol):
    """What holds pictures that have names."""

    @property
    def name(self) -> Callable[[int], str]:
        """Returns what to call the picture with an index."""


C = TypeVar("C", bound=NamedImages)
R = TypeVar("R")


class ReopenedSource(Generic[C]):
    """A source that is opened anew in every process that gets it.

    Args:
        opened: opens it; travels to other processes.
        catalogue: what it holds, where it is open already.
    """

    def __init__(self, opened: Callable[[], C], catalogue: C | None = None) -> None:
        self._opened = opened
        self._catalogue = catalogue

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_catalogue": None}

    @property
    def catalogue(self) -> C:
        """What the source holds."""
        if self._catalogue is None:
            self._catalogue = self._opened()
        return self._catalogue

    def trouble(self, row: int, error: Exception) -> str:
        """Return which picture cannot be read, and why."""
        return f"{self.catalogue.name(row)} ({getattr(error, 'strerror', None) or error})"

    def first_readable(
        self, row: int, rows: NDArray[np.int64], read: Callable[[int], R]
    ) -> tuple[R | None, tuple[str, ...]]:
        """Return what ``read`` makes of a row, or of the next of ``rows`` that can be read, and those that cannot.

        Where more cannot than is allowed, nothing is.
        """
        unreadable, place = list[str](), int(np.searchsorted(rows, row))
        for _ in range(min(most_unreadable(len(rows)) + 1, len(rows))):
            try:
                return read(row), tuple(unreadable)
            except (Unreadable, TooLarge, OSError) as error:
                unreadable.append(self.trouble(row, error))
            place = (place + 1) % len(rows)
            row = int(rows[place])
        return None, tuple(unreadable)


def _open(source: str) -> ImageCatalogue:
    return find_source(source).catalogue(source)


class TrainDataset(ReopenedSource[ImageCatalogue], Dataset[Sample]):
    """Pictures to learn from: a random part, mirrored and changed at random.

    One that cannot be read is replaced by the next of ``rows`` that can.
    """

    def __init__(
        self,
        source: str,
        catalogue: ImageCatalogue,
        rows: NDArray[np.int64],
        images: Images,
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        super().__init__(partial(_open, source), catalogue)
        self._rows, self._images, self._augmentation, self._seed = rows, images, augmentation, seed

    def __getitem__(self, wanted: ImageRequest) -> Sample:
        found, unreadable = self.first_readable(
            wanted.row, self._rows, lambda row: self._augmented(row, wanted)
        )
        pixels, label = found or (
            np.zeros((wanted.px, wanted.px, 3), np.uint8),
            0,
        )  # by then too many are
        return pixels, label, unreadable

    def _augmented(self, row: int, wanted: ImageRequest) -> tuple[NDArray[np.uint8], int]:
        how, random = (
            self._augmentation,
            generator(RngPurpose.PICTURE, self._seed, wanted.epoch, wanted.position),
        )
        with strict_warnings():
            image = decode_part(
                self.catalogue.image(row),
                wanted.px,
                lambda width, height: random_resized_crop(
                    width, height, how.crop_smallest_share, random
                ),
                bicubic=self._images.interpolation == "bicubic",
            )
        image = mirrored(image) if random.uniform() < how.flip_probability else image
        image = rand_augment(image, how.rand_augment_operations, how.rand_augment_magnitude, random)
        pixels = np.array(image)
        erase(pixels, how.erase_probability, random)
        return ordered(pixels, self._images), int(self.catalogue.labels[row])


class ValidationDataset(ReopenedSource[ImageCatalogue], Dataset[Sample]):
    """Pictures to judge by: the middle of each, at the size that the network is used with. One that cannot be read has no label."""

    def __init__(self, source: str, catalogue: ImageCatalogue, images: Images) -> None:
        super().__init__(partial(_open, source), catalogue)
        self._images = images

    def __getitem__(self, row: int) -> Sample:
        images = self._images
        share = images.px / images.validation_resize_px
        try:
            with strict_warnings():
                image = decode_part(
                    self.catalogue.image(row),
                    images.px,
                    lambda width, height: center_crop(width, height, share),
                    bicubic=images.interpolation == "bicubic",
                )
        except (Unreadable, TooLarge, OSError) as error:
            return (
                np.zeros((images.px, images.px, 3), np.uint8),
                UNREADABLE,
                (self.trouble(row, error),),
            )
        return ordered(np.asarray(image), images), int(self.catalogue.labels[row]), ()


def mirrored(image: Image) -> Image:
    """Return a picture with left and right changed."""
    from PIL import ImageOps

    return ImageOps.mirror(image)


def ordered(pixels: NDArray[np.uint8], images: Images) -> NDArray[np.uint8]:
    """Return pixels (H, W, 3) from RGB with the channels in the order that the network takes, and back."""
    return pixels[..., ::-1] if images.channel_order == "bgr" else pixels
