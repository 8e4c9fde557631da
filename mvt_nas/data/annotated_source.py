"""Kinds of sources of annotated images (boxes or masks), and the check of box corners."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.data.source import claimed, entries, unknown_source
from mvt_nas.errors import DataError
from mvt_nas.registry import Registry

DETECTION, SEGMENTATION = "detection", "segmentation"
"""Kinds of annotation: boxes around objects, and the class of every pixel."""

IGNORED = 255
"""Value in masks of pixels that count neither in training nor in evaluation."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectBoxes:
    """The objects in an image.

    Attributes:
        corners: Left, top, right and bottom of each box, (n, 4), float64, in pixels of the upright
            image.
        labels: Labels (n,), int64, from 0.
        ignored: Crowds and objects marked as difficult, (n,), bool; they count neither in training
            nor in evaluation.
        size: Width and height of the image in pixels, if the annotation gives them.
    """

    corners: FloatArray
    labels: NDArray[np.int64]
    ignored: BoolArray
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedCatalogue:
    """Content of a source of annotated images, before any image is read.

    Attributes:
        where: Name of the source, for messages.
        class_names: Names of the classes by label, in masks beginning with the background; empty if
            the source does not name them.
        held_out: Whether the source itself keeps an image for validation, (N,), bool.
        mark: Hash of the annotations; equal for equal sources, wherever they are stored.
        image: Function that returns the image with an index, as the bytes of a file or as pixels
            (H, W, 3); it may raise ``OSError``.
        name: Function that returns the name of that image in messages.
        boxes: Function that returns the objects of an image; for detection only.
        mask: Function that returns the class of every pixel, (H, W), uint8; for segmentation only;
            it may raise ``DataError``.
        at_hand: Whether reading an image costs nothing.
    """

    where: str
    class_names: tuple[str, ...]
    held_out: BoolArray
    mark: str
    image: Callable[[int], bytes | NDArray[np.uint8]]
    name: Callable[[int], str]
    boxes: Callable[[int], ObjectBoxes] | None = None
    mask: Callable[[int], NDArray[np.uint8]] | None = None
    at_hand: bool = False


@dataclass(frozen=True, slots=True)
class AnnotatedSource:
    """A kind of source of annotated images.

    Attributes:
        summary: Short description of the names or paths that it takes.
        kinds: Possible annotations, of :data:`DETECTION` and :data:`SEGMENTATION`.
        claims: Function that returns whether a name or path is of this kind.
        annotated: Function of a source and a kind of annotation that returns the content; raises
            ``DataError``.
    """

    summary: str
    kinds: tuple[str, ...]
    claims: Callable[[str], bool]
    annotated: Callable[[str, str], AnnotatedCatalogue]


ANNOTATIONS: Registry[AnnotatedSource] = Registry(
    "source of annotated images", "mvt_nas.data.annotations"
)
"""Kinds of sources of annotated images, by name."""


def find_annotated(source: str, kind: str) -> AnnotatedSource:
    """Return the kind of a source of annotated images.

    Args:
        source: Name or path.
        kind: Annotation that it has to provide, :data:`DETECTION` or :data:`SEGMENTATION`.

    Raises:
        DataError: no kind takes the name or path, or it provides other annotations.
    """
    found = claimed(ANNOTATIONS, source)
    if found is None:
        summaries = [entry.summary for entry in entries(ANNOTATIONS) if kind in entry.kinds]
        raise unknown_source(source, summaries, example="shapes", purpose=f" for {kind}")
    if kind not in found.kinds:
        raise DataError(
            f"{source}: {found.summary} is for {', '.join(found.kinds)}, not for {kind}"
        )
    return found


_SPARE_PX = 2.0
"""Largest distance beyond the edge at which a box is clipped instead of refused: annotation tools
round, and so does COCO itself."""


def checked_corners(
    values: tuple[float, float, float, float], width: int, height: int, where: str
) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom in pixels, clipped to the image.

    Args:
        values: Left, top, right and bottom in pixels.
        width: Width of the image in pixels.
        height: Height of the image in pixels.
        where: Beginning of the message.

    Raises:
        DataError: a number is not finite, a side is negative, or the box is outside of the image.
    """
    left, top, right, bottom = values
    if not all(math.isfinite(value) for value in values):
        raise DataError(f"{where} = {_plain(values)} is not allowed; four finite numbers")
    if right < left or bottom < top:
        raise DataError(
            f"{where} = {_plain(values)} is not allowed; left to right and top to bottom have to"
            " rise"
        )
    if min(left, top) < -_SPARE_PX or right > width + _SPARE_PX or bottom > height + _SPARE_PX:
        raise DataError(
            f"{where} = {_plain(values)} is not allowed; within the image of {width} x {height}"
            " pixels"
        )
    return max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))


def _plain(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"
