"""Pictures with boxes around objects: cropped, mirrored and recoloured to learn from, whole to judge by."""

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
from mvt_nas.training.annotated_dataset import AnnotatedDataset, AnnotatedSample, square
from mvt_nas.training.batch_sampler import ImageRequest
from mvt_nas.training.dataset import mirrored, ordered
from mvt_nas.training.detection.ssd import NEITHER, AnchorTargets, match_anchors
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.rng import RngPurpose, generator
from mvt_nas.training.transforms.box_crop import box_part, boxes_in, mirrored_boxes
from mvt_nas.training.transforms.photometric_distortion import distort


class ObjectTargets(NamedTuple):
    """What is in a picture: targets of all anchors, and the objects, in sides of the picture."""

    targets: AnchorTargets
    boxes: ObjectBoxes


@dataclass(frozen=True, slots=True, eq=False)
class BoxBatch:
    """Pictures of one size with their objects.

    Attributes:
        images: (B, 3, H, W), uint8.
        classes: (B, A), int64, see :class:`mvt_nas.training.detection.ssd.AnchorTargets`.
        offsets: (B, A, 4).
        boxes: of each picture, in its sides.
        rows: of each picture in its source; -1 where it could not be read.
        unreadable: pictures that could not be read, each with the reason.
        wrong: annotations that are not allowed, each with the reason.
    """

    images: Tensor
    classes: Tensor
    offsets: Tensor
    boxes: tuple[ObjectBoxes, ...]
    rows: tuple[int, ...]
    unreadable: tuple[str, ...]
    wrong: tuple[str, ...]

    def pin_memory(self) -> BoxBatch:
        """Return the batch in memory that an accelerator can read by itself; torch's loader calls this."""
        images, classes, offsets = (
            tensor.pin_memory() for tensor in (self.images, self.classes, self.offsets)
        )
        return replace(self, images=images, classes=classes, offsets=offsets)


def collate(samples: Sequence[AnnotatedSample[ObjectTargets]]) -> BoxBatch:
    """Return samples as a batch."""
    return BoxBatch(
        images=torch.from_numpy(np.stack([sample.pixels for sample in samples])).permute(
            0, 3, 1, 2
        ),
        classes=torch.stack([sample.target.targets.classes for sample in samples]),
        offsets=torch.stack([sample.target.targets.offsets for sample in samples]),
        boxes=tuple(sample.target.boxes for sample in samples),
        rows=tuple(sample.row for sample in samples),
        unreadable=tuple(name for sample in samples for name in sample.unreadable),
        wrong=tuple(name for sample in samples for name in sample.wrong),
    )


class _BoxPictures:
    """What both parts have: the recipe, and the anchors by the side of pictures."""

    recipe: Recipe
    anchors: Mapping[int, Tensor]
    catalogue: AnnotatedCatalogue

    def boxes(self, row: int) -> ObjectBoxes:
        """Return the objects of a picture."""
        assert self.catalogue.boxes is not None  # the source is for detection
        return self.catalogue.boxes(row)

    def check(self, row: int, size: tuple[int, int]) -> None:
        """Refuse a picture that has another width and height than its annotation says.

        Raises:
            DataError: it has.
        """
        said = self.boxes(row).size
        if said is not None and said != size:
            name = self.catalogue.name(row)
            raise DataError(
                f"{name}: the picture has {size[0]} x {size[1]} pixels, its annotation says"
                f" {said[0]} x {said[1]}"
            )

    def objects(self, boxes: ObjectBoxes, size: tuple[float, float], px: int) -> ObjectTargets:
        """Return the objects of a part of a picture with width and height, as targets for a side."""
        corners = boxes.corners / np.tile(size, 2)
        how = self.recipe.detection
        assert how is not None  # the recipe is one for detection
        given = (
            torch.from_numpy(corners).float(),
            torch.from_numpy(boxes.labels),
            torch.from_numpy(boxes.ignored),
        )
        return ObjectTargets(
            match_anchors(*given, self.anchors[px], how.match_iou),
            ObjectBoxes(corners, boxes.labels, boxes.ignored),
        )

    def nothing(self, px: int) -> ObjectTargets:
        """Return what teaches and counts nothing."""
        count = len(self.anchors[px])
        none = ObjectBoxes(np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool))
        return ObjectTargets(
            AnchorTargets(torch.full((count,), NEITHER), torch.zeros(count, 4)), none
        )


class DetectionTrainDataset(_BoxPictures, AnnotatedDataset[ImageRequest, ObjectTargets]):
    """Pictures to learn from: a random part that holds enough of an object, mirrored and changed at random."""

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
        self.recipe, self.anchors, self._own, self._seed = recipe, anchors, rows, seed

    def _rows(self, wanted: ImageRequest) -> tuple[int, NDArray[np.int64]]:
        return wanted.row, self._own

    def _read(self, row: int, wanted: ImageRequest) -> tuple[NDArray[np.uint8], ObjectTargets]:
        how, random = (
            self.recipe.detection,
            generator(RngPurpose.PICTURE, self._seed, wanted.epoch, wanted.position),
        )
        assert how is not None  # the recipe is one for detection
        boxes, part, sizes = self.boxes(row), list[Box](), list[tuple[int, int]]()

        def random_part(width: int, height: int) -> Box:
            sizes.append((width, height))
            crops = random.uniform() < how.crop_probability
            part.append(
                box_part(width, height, boxes, how.crop_smallest_side, random)
                if crops
                else (0.0, 0.0, float(width), float(height))
            )
            return part[0]

        with strict_warnings():
            image = decode_part(
                self.catalogue.image(row),
                wanted.px,
                random_part,
                bicubic=self.recipe.images.interpolation == "bicubic",
            )
        self.check(row, sizes[0])
        size = (part[0][2] - part[0][0], part[0][3] - part[0][1])
        own = boxes_in(boxes, part[0])
        if random.uniform() < self.recipe.augmentation.flip_probability:
            image, own = mirrored(image), mirrored_boxes(own, size[0])
        pixels = ordered(
            np.array(distort(image, how.distortion_probability, random)), self.recipe.images
        )
        return pixels, self.objects(own, size, wanted.px)

    def _blank(self, wanted: ImageRequest) -> tuple[NDArray[np.uint8], ObjectTargets]:
        return square(wanted.px), self.nothing(wanted.px)


class DetectionValidationDataset(_BoxPictures, AnnotatedDataset[int, ObjectTargets]):
    """Pictures to judge by: the whole of each, brought to the square that the network is used with."""

    def __init__(
        self,
        source: str,
        annotated: AnnotatedCatalogue,
        recipe: Recipe,
        anchors: Mapping[int, Tensor],
    ) -> None:
        AnnotatedDataset.__init__(self, source, DETECTION, annotated)
        self.recipe, self.anchors = recipe, anchors

    def _rows(self, wanted: int) -> tuple[int, NDArray[np.int64]]:
        return wanted, np.array([wanted])

    def _read(self, row: int, wanted: int) -> tuple[NDArray[np.uint8], ObjectTargets]:
        images, size = self.recipe.images, list[tuple[int, int]]()

        def whole(width: int, height: int) -> Box:
            size.append((width, height))
            return 0.0, 0.0, float(width), float(height)

        with strict_warnings():
            image = decode_part(
                self.catalogue.image(row),
                images.px,
                whole,
                bicubic=images.interpolation == "bicubic",
            )
        self.check(row, size[0])
        return ordered(np.asarray(image), images), self.objects(self.boxes(row), size[0], images.px)

    def _blank(self, wanted: int) -> tuple[NDArray[np.uint8], ObjectTargets]:
        return square(self.recipe.images.px), self.nothing(self.recipe.images.px)
