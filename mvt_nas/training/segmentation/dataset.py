"""Pictures with the class of every pixel: at random sizes, mirrored and recoloured to learn from, whole to judge by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from mvt_nas.data.annotated_source import IGNORED, SEGMENTATION, AnnotatedCatalogue
from mvt_nas.data.annotations.index_mask import check_mask
from mvt_nas.data.decode import ImageRegion, decode_region, strict_warnings
from mvt_nas.training.annotated_dataset import AnnotatedDataset, AnnotatedSample, square
from mvt_nas.training.batch_sampler import ImageRequest
from mvt_nas.training.dataset import ImageBatch, mirrored, ordered
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.transforms.crop import CropWindow, random_crop_window
from mvt_nas.training.transforms.photometric_distortion import distort

if TYPE_CHECKING:
    from collections.abc import Callable

    from PIL.Image import Image

Mask = NDArray[np.uint8]
"""The class of every pixel, (H, W)."""

_FILLED = (124, 116, 104)
"""What lies outside of a picture: the mean colour of ImageNet, in RGB."""


def collate(samples: Sequence[AnnotatedSample[Mask]]) -> ImageBatch:
    """Return samples as a batch; its labels are masks (B, H, W), uint8."""
    return ImageBatch(
        images=torch.from_numpy(np.stack([sample.pixels for sample in samples])).permute(
            0, 3, 1, 2
        ),
        labels=torch.from_numpy(np.stack([sample.target for sample in samples])),
        unreadable=tuple(name for sample in samples for name in sample.unreadable),
        wrong=tuple(name for sample in samples for name in sample.wrong),
    )


class _MaskPictures:
    """What both parts have: the source, the recipe, and the number of classes."""

    recipe: Recipe
    classes: int
    catalogue: AnnotatedCatalogue

    def seen(self, row: int, view: Callable[[int, int], ImageRegion]) -> tuple[Image, Image]:
        """Return a part of a picture and of its mask at one size."""
        from PIL import Image as pillow

        found, bicubic = (
            list[tuple[int, int, ImageRegion]](),
            self.recipe.images.interpolation == "bicubic",
        )

        def noted(width: int, height: int) -> ImageRegion:
            found.append((width, height, view(width, height)))
            return found[0][2]

        with strict_warnings():
            image = decode_region(self.catalogue.image(row), noted, bicubic=bicubic)
        (width, height, wanted), *_ = found
        assert self.catalogue.mask is not None  # the source is for segmentation
        mask = self.catalogue.mask(row)
        check_mask(mask, self.classes, (width, height), self.catalogue.name(row))
        return image, pillow.fromarray(mask).resize(
            wanted.size, pillow.Resampling.NEAREST, box=wanted.part
        )


class SegmentationTrainDataset(_MaskPictures, AnnotatedDataset[ImageRequest, Mask]):
    """Pictures to learn from: a square of each at a random size, mirrored and changed at random; 255 outside of the picture."""

    def __init__(
        self,
        source: str,
        annotated: AnnotatedCatalogue,
        rows: NDArray[np.int64],
        recipe: Recipe,
        classes: int,
        seed: int,
    ) -> None:
        AnnotatedDataset.__init__(self, source, SEGMENTATION, annotated)
        self.recipe, self.classes, self._own, self._seed = recipe, classes, rows, seed

    def _rows(self, wanted: ImageRequest) -> tuple[int, NDArray[np.int64]]:
        return wanted.row, self._own

    def _read(self, row: int, wanted: ImageRequest) -> tuple[NDArray[np.uint8], Mask]:
        how, random = (
            self.recipe.segmentation,
            generator(RngPurpose.PICTURE, self._seed, wanted.epoch, wanted.position),
        )
        assert how is not None  # the recipe is one for segmentation
        scales, windows = (how.smallest_scale, how.largest_scale), list[CropWindow]()

        def view(width: int, height: int) -> ImageRegion:
            windows.append(random_crop_window(width, height, wanted.px, scales, random))
            return windows[0].view

        image, mask = self.seen(row, view)
        if random.uniform() < self.recipe.augmentation.flip_probability:
            image, mask = mirrored(image), mirrored(mask)
        image = distort(image, how.distortion_probability, random)
        left, top = windows[0].left, windows[0].top
        pixels, classes = (
            np.full((wanted.px, wanted.px, 3), _FILLED, np.uint8),
            np.full((wanted.px, wanted.px), IGNORED, np.uint8),
        )
        pixels[top : top + image.height, left : left + image.width] = np.asarray(image)
        classes[top : top + image.height, left : left + image.width] = np.asarray(mask)
        return ordered(pixels, self.recipe.images), classes

    def _blank(self, wanted: ImageRequest) -> tuple[NDArray[np.uint8], Mask]:
        return square(wanted.px), np.full((wanted.px, wanted.px), IGNORED, np.uint8)


class SegmentationValidationDataset(_MaskPictures, AnnotatedDataset[int, Mask]):
    """Pictures to judge by: the whole of each, brought to the square that the network is used with."""

    def __init__(
        self, source: str, annotated: AnnotatedCatalogue, recipe: Recipe, classes: int
    ) -> None:
        AnnotatedDataset.__init__(self, source, SEGMENTATION, annotated)
        self.recipe, self.classes = recipe, classes

    def _rows(self, wanted: int) -> tuple[int, NDArray[np.int64]]:
        return wanted, np.array([wanted])

    def _read(self, row: int, wanted: int) -> tuple[NDArray[np.uint8], Mask]:
        px = self.recipe.images.px
        image, mask = self.seen(
            row,
            lambda width, height: ImageRegion((0.0, 0.0, float(width), float(height)), (px, px)),
        )
        return ordered(np.asarray(image), self.recipe.images), np.asarray(mask)

    def _blank(self, wanted: int) -> tuple[NDArray[np.uint8], Mask]:
        px = self.recipe.images.px
        return square(px), np.full((px, px), IGNORED, np.uint8)
