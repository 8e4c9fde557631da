"""Images with boxes: cropped, flipped and distorted for training, whole for validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mvt_nas.data.annotated_source import DETECTION, AnnotatedCatalogue, ObjectBoxes
from mvt_nas.data.decode import Box, decode_part, strict_warnings
from mvt_nas.errors import DataError
from mvt_nas.training.annotated_dataset import AnnotatedDataset, AnnotatedSample, black_square
from mvt_nas.training.batch_sampler import ImageRequest
from mvt_nas.training.dataset import flip, reorder_channels, to_float_images
from mvt_nas.training.detection.ssd import NEITHER, AnchorTargets, match_anchors
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import DetectionOptions
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.transforms.box_crop import boxes_in, flip_boxes, random_box_crop
from mvt_nas.training.transforms.photometric_distortion import distort


class ObjectTargets(NamedTuple):
    """The targets of an image.

    Attributes:
        targets: Targets of all anchors.
        boxes: Objects, in sides of the image.
    """

    targets: AnchorTargets
    boxes: ObjectBoxes


@dataclass(frozen=True, slots=True, eq=False)
class BoxBatch:
    """Images of one size with their objects.

    Attributes:
        images: (B, 3, H, W), uint8.
        classes: (B, A), int64, see :class:`mvt_nas.training.detection.ssd.AnchorTargets`.
        offsets: (B, A, 4).
        boxes: Objects of each image, in its sides.
        rows: Row of each image in its source; -1 if it could not be read.
        unreadable: Images that could not be read, each with the reason.
        wrong: Invalid annotations, each with the reason.
    """

    images: Tensor
    classes: Tensor
    offsets: Tensor
    boxes: tuple[ObjectBoxes, ...]
    rows: tuple[int, ...]
    unreadable: tuple[str, ...]
    wrong: tuple[str, ...]

    def inputs(self, device: torch.device) -> Tensor:
        """Return the images on a device, (B, 3, H, W), float32 from 0 to 1."""
        return to_float_images(self.images, device)

    def pin_memory(self) -> BoxBatch:
        """Return the batch in pinned memory; torch's loader calls this."""
        return replace(
            self,
            images=self.images.pin_memory(),
            classes=self.classes.pin_memory(),
            offsets=self.offsets.pin_memory(),
        )


def collate(samples: Sequence[AnnotatedSample[ObjectTargets]]) -> BoxBatch:
    """Return samples as a batch."""
    images = torch.from_numpy(np.stack([sample.pixels for sample in samples]))
    return BoxBatch(
        images=images.permute(0, 3, 1, 2),
        classes=torch.stack([sample.target.targets.classes for sample in samples]),
        offsets=torch.stack([sample.target.targets.offsets for sample in samples]),
        boxes=tuple(sample.target.boxes for sample in samples),
        rows=tuple(sample.row for sample in samples),
        unreadable=tuple(name for sample in samples for name in sample.unreadable),
        wrong=tuple(name for sample in samples for name in sample.wrong),
    )


class _BoxImages:
    """The common part of both datasets: recipe, and anchors by the side of images."""

    recipe: Recipe
    anchors: Mapping[int, Tensor]
    catalogue: AnnotatedCatalogue

    @property
    def options(self) -> DetectionOptions:
        """The recipe's values of detection."""
        assert self.recipe.detection is not None, "the recipe is for detection"
        return self.recipe.detection

    def boxes(self, row: int) -> ObjectBoxes:
        """Return the objects of an image."""
        assert self.catalogue.boxes is not None, "the source is for detection"
        return self.catalogue.boxes(row)

    def check_size(self, row: int, size: tuple[int, int]) -> None:
        """Check that an image has the width and height that its annotation says.

        Raises:
            DataError: it has others.
        """
        expected = self.boxes(row).size
        if expected is not None and expected != size:
            name = self.catalogue.name(row)
            raise DataError(
                f"{name}: the image has {size[0]} x {size[1]} pixels, its annotation says"
                f" {expected[0]} x {expected[1]}"
            )

    def object_targets(
        self, boxes: ObjectBoxes, size: tuple[float, float], px: int
    ) -> ObjectTargets:
        """Return the targets of an image.

        Args:
            boxes: Objects, in pixels.
            size: Width and height in pixels before resizing.
            px: Side after resizing.
        """
        corners = boxes.corners / np.tile(size, 2)
        targets = match_anchors(
            torch.from_numpy(corners).float(),
            torch.from_numpy(boxes.labels),
            torch.from_numpy(boxes.ignored),
            self.anchors[px],
            self.options.match_iou,
        )
        return ObjectTargets(targets, ObjectBoxes(corners, boxes.labels, boxes.ignored))

    def no_targets(self, px: int) -> ObjectTargets:
        """Return targets that count for nothing."""
        count = len(self.anchors[px])
        targets = AnchorTargets(torch.full((count,), NEITHER), torch.zeros(count, 4))
        return ObjectTargets(
            targets, ObjectBoxes(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool))
        )


class DetectionTrainDataset(_BoxImages, AnnotatedDataset[ImageRequest, ObjectTargets]):
    """Training images: a random crop that holds enough of an object, flipped and distorted."""

    def __init__(
        self,
        source: str,
        annotated: AnnotatedCatalogue,
        rows: NDArray[np.int64],
        recipe: Recipe,
        anchors: Mapping[int, Tensor],
        seed: int,
    ) -> None:
        AnnotatedDataset.__init__(self, source, DETECTION, annotated)
        self.recipe = recipe
        self.anchors = anchors
        self._own_rows = rows
        self._seed = seed

    def _rows(self, request: ImageRequest) -> tuple[int, NDArray[np.int64]]:
        return request.row, self._own_rows

    def _read(self, row: int, request: ImageRequest) -> tuple[NDArray[np.uint8], ObjectTargets]:
        options = self.options
        random = generator(RngPurpose.IMAGE, self._seed, request.epoch, request.position)
        boxes = self.boxes(row)
        # The decoder asks for the crop once it knows the size; the boxes need both as well.
        crops: list[Box] = []
        sizes: list[tuple[int, int]] = []

        def choose(width: int, height: int) -> Box:
            sizes.append((width, height))
            if random.uniform() < options.crop_probability:
                smallest = options.crop_smallest_side
                crops.append(random_box_crop(width, height, boxes, smallest, random))
            else:
                crops.append((0.0, 0.0, float(width), float(height)))
            return crops[0]

        with strict_warnings():
            image = decode_part(
                self.catalogue.image(row),
                request.px,
                choose,
                bicubic=self.recipe.images.interpolation == "bicubic",
            )
        self.check_size(row, sizes[0])
        left, top, right, bottom = crops[0]
        size = (right - left, bottom - top)
        own = boxes_in(boxes, crops[0])
        if random.uniform() < self.recipe.augmentation.flip_probability:
            image, own = flip(image), flip_boxes(own, size[0])
        image = distort(image, options.distortion_probability, random)
        pixels = reorder_channels(np.array(image), self.recipe.images)
        return pixels, self.object_targets(own, size, request.px)

    def _blank(self, request: ImageRequest) -> tuple[NDArray[np.uint8], ObjectTargets]:
        return black_square(request.px), self.no_targets(request.px)


class DetectionValidationDataset(_BoxImages, AnnotatedDataset[int, ObjectTargets]):
    """Validation images: the whole of each, resized to the square that the network takes."""

    def __init__(
        self,
        source: str,
        annotated: AnnotatedCatalogue,
        recipe: Recipe,
        anchors: Mapping[int, Tensor],
    ) -> None:
        AnnotatedDataset.__init__(self, source, DETECTION, annotated)
        self.recipe = recipe
        self.anchors = anchors

    def _rows(self, request: int) -> tuple[int, NDArray[np.int64]]:
        return request, np.array([request])

    def _read(self, row: int, request: int) -> tuple[NDArray[np.uint8], ObjectTargets]:
        images = self.recipe.images
        sizes: list[tuple[int, int]] = []

        def whole(width: int, height: int) -> Box:
            sizes.append((width, height))
            return 0.0, 0.0, float(width), float(height)

        with strict_warnings():
            image = decode_part(
                self.catalogue.image(row),
                images.px,
                whole,
                bicubic=images.interpolation == "bicubic",
            )
        self.check_size(row, sizes[0])
        targets = self.object_targets(self.boxes(row), sizes[0], images.px)
        return reorder_channels(np.asarray(image), images), targets

    def _blank(self, request: int) -> tuple[NDArray[np.uint8], ObjectTargets]:
        px = self.recipe.images.px
        return black_square(px), self.no_targets(px)
