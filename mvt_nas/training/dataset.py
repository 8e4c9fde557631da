"""The images of a source, read and decoded on demand: a dataset may be larger than memory.

The augmentation of an image depends on the seed, the epoch and its position in the epoch only, not
on the worker process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import Dataset

from mvt_nas.data.decode import TooLarge, Unreadable, decode_part, strict_warnings
from mvt_nas.data.load import SMALL_SHARE
from mvt_nas.data.source import ImageCatalogue, find_source
from mvt_nas.training.batch_sampler import ImageRequest
from mvt_nas.training.recipe_groups import Augmentation, Images
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.transforms.crop import center_crop, random_resized_crop
from mvt_nas.training.transforms.rand_augment import rand_augment
from mvt_nas.training.transforms.random_erasing import erase

UNREADABLE = -1
"""The label of an image that could not be read."""


def most_unreadable(count: int) -> int:
    """Return the number of unreadable images that are tolerated in a dataset of ``count``."""
    return max(1, int(SMALL_SHARE * count))


def to_float_images(images: Tensor, device: torch.device) -> Tensor:
    """Return images, (B, 3, H, W) in uint8, on a device as float32 from 0 to 1."""
    moved = images.to(device, non_blocking=True).float().div_(255)
    return moved.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Images of one size.

    Attributes:
        images: (B, 3, H, W), uint8.
        labels: (B,), int64; masks (B, H, W), uint8, for segmentation.
        unreadable: Images that could not be read, each with the reason.
        wrong: Invalid annotations, each with the reason.
    """

    images: Tensor
    labels: Tensor
    unreadable: tuple[str, ...]
    wrong: tuple[str, ...] = ()

    def inputs(self, device: torch.device) -> Tensor:
        """Return the images on a device, (B, 3, H, W), float32 from 0 to 1."""
        return to_float_images(self.images, device)

    def pin_memory(self) -> ImageBatch:
        """Return the batch in pinned memory; torch's loader calls this."""
        return ImageBatch(
            self.images.pin_memory(), self.labels.pin_memory(), self.unreadable, self.wrong
        )


Sample = tuple[NDArray[np.uint8], int, tuple[str, ...]]
"""Pixels (H, W, 3), label, and the images that could not be read."""


def collate(samples: Sequence[Sample]) -> ImageBatch:
    """Return samples as a batch."""
    images = torch.from_numpy(np.stack([pixels for pixels, _, _ in samples])).permute(0, 3, 1, 2)
    labels = torch.tensor([label for _, label, _ in samples])
    unreadable = tuple(name for _, _, names in samples for name in names)
    return ImageBatch(images, labels, unreadable)


class NamedImages(Protocol):
    """A catalogue of images that have names."""

    @property
    def name(self) -> Callable[[int], str]:
        """Returns the name of the image with an index."""


C = TypeVar("C", bound=NamedImages)
R = TypeVar("R")


class ReopenedSource(Generic[C]):
    """A source that every process opens for itself.

    Args:
        open_source: Opens it; is sent to other processes.
        catalogue: Its catalogue, if it is open already.
    """

    def __init__(self, open_source: Callable[[], C], catalogue: C | None = None) -> None:
        self._open_source = open_source
        self._catalogue = catalogue

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_catalogue": None}

    @property
    def catalogue(self) -> C:
        """The catalogue of the source."""
        if self._catalogue is None:
            self._catalogue = self._open_source()
        return self._catalogue

    def describe_failure(self, row: int, error: Exception) -> str:
        """Return the name of an image that cannot be read, and the reason."""
        return f"{self.catalogue.name(row)} ({getattr(error, 'strerror', None) or error})"

    def first_readable(
        self, row: int, rows: NDArray[np.int64], read: Callable[[int], R]
    ) -> tuple[R | None, tuple[str, ...]]:
        """Return ``read(row)``, or that of the next of ``rows`` that can be read, and the failures.

        If more images fail than are tolerated, the result is ``None``.
        """
        unreadable: list[str] = []
        position = int(np.searchsorted(rows, row))
        for _ in range(min(most_unreadable(len(rows)) + 1, len(rows))):
            try:
                return read(row), tuple(unreadable)
            except (Unreadable, TooLarge, OSError) as error:
                unreadable.append(self.describe_failure(row, error))
            position = (position + 1) % len(rows)
            row = int(rows[position])
        return None, tuple(unreadable)


def _open(source: str) -> ImageCatalogue:
    return find_source(source).catalogue(source)


class TrainDataset(ReopenedSource[ImageCatalogue], Dataset[Sample]):
    """Training images: a random crop of each, flipped and augmented at random.

    An image that cannot be read is replaced by the next of ``rows`` that can.
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
        self._rows = rows
        self._images = images
        self._augmentation = augmentation
        self._seed = seed

    def __getitem__(self, request: ImageRequest) -> Sample:
        found, unreadable = self.first_readable(
            request.row, self._rows, lambda row: self._augmented(row, request)
        )
        if found is None:
            # The training ends by the number of unreadable images; until then, black serves.
            return np.zeros((request.px, request.px, 3), np.uint8), 0, unreadable
        pixels, label = found
        return pixels, label, unreadable

    def _augmented(self, row: int, request: ImageRequest) -> tuple[NDArray[np.uint8], int]:
        augmentation = self._augmentation
        random = generator(RngPurpose.IMAGE, self._seed, request.epoch, request.position)
        smallest = augmentation.crop_smallest_share
        with strict_warnings():
            image = decode_part(
                self.catalogue.image(row),
                request.px,
                lambda width, height: random_resized_crop(width, height, smallest, random),
                bicubic=self._images.interpolation == "bicubic",
            )
        if random.uniform() < augmentation.flip_probability:
            image = flip(image)
        image = rand_augment(
            image,
            augmentation.rand_augment_operations,
            augmentation.rand_augment_magnitude,
            random,
        )
        pixels = np.array(image)
        erase(pixels, augmentation.erase_probability, random)
        return reorder_channels(pixels, self._images), int(self.catalogue.labels[row])


class ValidationDataset(ReopenedSource[ImageCatalogue], Dataset[Sample]):
    """Validation images: the centre crop of each; an image that cannot be read has no label."""

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
            black = np.zeros((images.px, images.px, 3), np.uint8)
            return black, UNREADABLE, (self.describe_failure(row, error),)
        pixels = reorder_channels(np.asarray(image), images)
        return pixels, int(self.catalogue.labels[row]), ()


def flip(image: Image) -> Image:
    """Return an image flipped left to right."""
    return ImageOps.mirror(image)


def reorder_channels(pixels: NDArray[np.uint8], images: Images) -> NDArray[np.uint8]:
    """Return RGB pixels (H, W, 3) in the network's channel order, or the other way round."""
    return pixels[..., ::-1] if images.channel_order == "bgr" else pixels
