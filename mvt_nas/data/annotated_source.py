"""What a source of annotated pictures says about itself, and what it makes of a path.

Whether the corners of an object are such, and lie within its picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mvt_nas.errors import DataError, nearest
from mvt_nas.registry import Registry

DETECTION, SEGMENTATION = "detection", "segmentation"
"""What is annotated: boxes around objects; the class of every pixel."""

IGNORED = 255
"""The value in masks of pixels that are neither learnt from nor judged."""


@dataclass(frozen=True, slots=True, eq=False)
class ObjectBoxes:
    """The objects in a picture.

    Attributes:
        corners: (n, 4), float64, left, top, right and bottom in pixels of the upright picture.
        labels: (n,), int64, from 0.
        ignored: (n,), bool; crowds and objects marked as difficult, which are neither learnt from
            nor judged.
        size: width and height of the picture, in pixels, where the annotation says so.
    """

    corners: NDArray[np.float64]
    labels: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class AnnotatedCatalogue:
    """What a source holds, before any picture is read.

    Attributes:
        where: the source in words.
        class_names: by label, in masks the background's first; none where the source does not say.
        held_out: (N,), bool, whether the source itself keeps a picture for validation.
        mark: hash of what is annotated; equal for equal sources, wherever they lie.
        picture: returns the picture with an index, as the bytes of a file or as pixels (H, W, 3);
            may raise ``OSError``.
        name: returns what to call that picture in messages.
        boxes: returns its objects; for detection only.
        mask: returns the class of every pixel, (H, W), uint8; for segmentation only; may raise
            ``DataError``.
        at_hand: whether pictures cost nothing to read.
    """

    where: str
    class_names: tuple[str, ...]
    held_out: NDArray[np.bool_]
    mark: str
    picture: Callable[[int], bytes | NDArray[np.uint8]]
    name: Callable[[int], str]
    boxes: Callable[[int], ObjectBoxes] | None = None
    mask: Callable[[int], NDArray[np.uint8]] | None = None
    at_hand: bool = False


@dataclass(frozen=True, slots=True)
class AnnotatedSource:
    """A kind of source.

    Attributes:
        summary: what may be given, in a few words.
        kinds: what it may annotate, of :data:`DETECTION` and :data:`SEGMENTATION`.
        claims: whether a name or path is of this kind.
        annotated: ``(source, kind) ->`` what it holds; raises ``DataError``.
    """

    summary: str
    kinds: tuple[str, ...]
    claims: Callable[[str], bool]
    annotated: Callable[[str, str], AnnotatedCatalogue]


ANNOTATIONS: Registry[AnnotatedSource] = Registry(
    "source of annotated pictures", "mvt_nas.data.annotations"
)
"""Kinds of sources, by name."""


def find_annotated(source: str, kind: str) -> AnnotatedSource:
    """Return the kind of source that ``source`` is.

    Raises:
        DataError: no kind takes it, or it annotates something else.
    """
    found = next(
        (
            ANNOTATIONS.get(name)
            for name in ANNOTATIONS.names()
            if ANNOTATIONS.get(name).claims(source)
        ),
        None,
    )
    if found is None:
        kinds = "; ".join(
            ANNOTATIONS.get(name).summary
            for name in ANNOTATIONS.names()
            if kind in ANNOTATIONS.get(name).kinds
        )
        state = "cannot be used" if Path(source).exists() else "no such file or folder"
        raise DataError(
            f"{source}: {state} for {kind}{nearest(source, ['shapes'])} (sources: {kinds})"
        )
    if kind not in found.kinds:
        raise DataError(
            f"{source}: {found.summary} is for {', '.join(found.kinds)}, not for {kind}"
        )
    return found


_SPARE_PX = 2.0
"""How far a box may stand out, to be cut: tools round, and so does COCO itself."""


def checked_corners(
    values: tuple[float, float, float, float], width: int, height: int, where: str
) -> tuple[float, float, float, float]:
    """Return left, top, right and bottom in pixels, cut at the picture's edges.

    Raises:
        DataError: no finite numbers, a side that is negative, or a box outside of the picture;
            ``where`` begins the message.
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
            f"{where} = {_plain(values)} is not allowed; within the picture of {width} x {height}"
            " pixels"
        )
    return max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))


def _plain(values: tuple[float, ...]) -> str:
    return f"[{', '.join(f'{value:g}' for value in values)}]"
