"""Images with masks: randomly scaled, cropped and augmented for training, whole for validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL.Image import Image

from mvt_nas.data.annotated_source import IGNORED, SEGMENTATION, AnnotatedCatalogue
from mvt_nas.data.annotations.index_mask import check_mask
from mvt_nas.data.decode import ImageRegion, decode_region, strict_warnings
from mvt_nas.training.annotated_dataset import AnnotatedDataset, AnnotatedSample, black_square
from mvt_nas.training.batch_sampler import ImageRequest
from mvt_nas.training.dataset import ImageBatch, flip, reorder_channels
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.transforms.crop import CropWindow, random_crop_window
from mvt_nas.training.transforms.photometric_distortion import distort

Mask = NDArray[np.uint8]
"""The class of every pixel, (H, W)."""

_FILL_COLOUR = (124, 116, 104)
"""Fills the outside of an image: the mean colour of ImageNet, in RGB."""


def collate(samples: Sequence[AnnotatedSample[Mask]]) -> ImageBatch:
    """Return samples as a batch; its labels are masks (B, H, W), uint8."""
    images = torch.from_numpy(np.stack([sample.pixels for sample in samples]))
    return ImageBatch(
        images=images.permute(0, 3, 1, 2),
        labels=torch.from_numpy(np.stack([sample.target for sample in samples])),
        unreadable=tuple(name for sample in samples for name in sample.unreadable),
        wrong=tuple(name for sample in samples for name in sample.wrong),
    )


class _MaskedImages:
    """The common part of both datasets: source, recipe, and number of classes."""

    recipe: Recipe
    classes: int
    catalogue: AnnotatedCatalogue

    def read_region(
        self, row: int, choose: Callable[[int, int], ImageRegion]
    ) -> tuple[Image, Image]:
        """Return a region of an image and of its mask, at the same size.

        Args:
            row: Row of the image.
            choose: Returns the region, given width and height of the image.
        """
        # The decoder asks for the region once it knows the size; the mask needs both as well.
        chosen: list[tuple[int, int, ImageRegion]] = []

        def remember(width: int, height: int) -> ImageRegion:
            region = choose(width, height)
            chosen.append((width, height, region))
            return region

        bicubic = self.recipe.images.interpolation == "bicubic"
        with strict_warnings():
            image = decode_region(self.catalogue.image(row), remember, bicubic=bicubic)
        width, height, region = chosen[0]
        assert self.catalogue.mask is not None, "the source is for segmentation"
        mask = self.catalogue.mask(row)
        check_mask(mask, self.classes, (width, height), self.catalogue.name(row))
        resized = pillow.fromarray(mask).resize(
            region.size, pillow.Resampling.NEAREST, box=region.part
        )
        return image, resized


class SegmentationTrainDataset(_MaskedImages, AnnotatedDataset[ImageRequest, Mask]):
    """Training images: a square crop of each at a random scale, flipped and distorted at random.

    Masks have 255 outside of the image.
    """

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
        self.recipe = recipe
        self.classes = classes
        self._own_rows = rows
        self._seed = seed

    def _rows(self, request: ImageRequest) -> tuple[int, NDArray[np.int64]]:
        return request.row, self._own_rows

    def _read(self, row: int, request: ImageRequest) -> tuple[NDArray[np.uint8], Mask]:
        options = self.recipe.segmentation
        assert options is not None, "the recipe is for segmentation"
        random = generator(RngPurpose.IMAGE, self._seed, request.epoch, request.position)
        scales = (options.smallest_scale, options.largest_scale)
        windows: list[CropWindow] = []

        def choose(width: int, height: int) -> ImageRegion:
            windows.append(random_crop_window(width, height, request.px, scales, random))
            return windows[0].region

        image, mask = self.read_region(row, choose)
        if random.uniform() < self.recipe.augmentation.flip_probability:
            image, mask = flip(image), flip(mask)
        image = distort(image, options.distortion_probability, random)
        pixels = np.full((request.px, request.px, 3), _FILL_COLOUR, np.uint8)
        classes = np.full((request.px, request.px), IGNORED, np.uint8)
        left, top = windows[0].left, windows[0].top
        inside = (slice(top, top + image.height), slice(left, left + image.width))
        pixels[inside] = np.asarray(image)
        classes[inside] = np.asarray(mask)
        return reorder_channels(pixels, self.recipe.images), classes

    def _blank(self, request: ImageRequest) -> tuple[NDArray[np.uint8], Mask]:
        return black_square(request.px), np.full((request.px, request.px), IGNORED, np.uint8)


class SegmentationValidationDataset(_MaskedImages, AnnotatedDataset[int, Mask]):
    """Validation images: the whole of each, resized to the square that the network takes."""

    def __init__(
        self, source: str, annotated: AnnotatedCatalogue, recipe: Recipe, classes: int
    ) -> None:
        AnnotatedDataset.__init__(self, source, SEGMENTATION, annotated)
        self.recipe = recipe
        self.classes = classes

    def _rows(self, request: int) -> tuple[int, NDArray[np.int64]]:
        return request, np.array([request])

    def _read(self, row: int, request: int) -> tuple[NDArray[np.uint8], Mask]:
        px = self.recipe.images.px

        def whole(width: int, height: int) -> ImageRegion:
            return ImageRegion((0.0, 0.0, float(width), float(height)), (px, px))

        image, mask = self.read_region(row, whole)
        return reorder_channels(np.asarray(image), self.recipe.images), np.asarray(mask)

    def _blank(self, request: int) -> tuple[NDArray[np.uint8], Mask]:
        px = self.recipe.images.px
        return black_square(px), np.full((px, px), IGNORED, np.uint8)
