"""Coloured discs, squares and triangles on textures, drawn on the fly: a dataset without download.

It provides boxes and masks for first experiments and for tests. A shape's colour is independent of
its class. Every image is a function of its number.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.data.annotated_source import (
    ANNOTATIONS,
    DETECTION,
    SEGMENTATION,
    AnnotatedCatalogue,
    AnnotatedSource,
    ObjectBoxes,
)

CLASSES = ("disc", "square", "triangle")
TRAIN_IMAGES, VALIDATION_IMAGES = 800, 100
WIDTH, HEIGHT = 112, 96
_MOST_SHAPES = 2
# Smallest and largest side of a shape, as a share of the image's height.
_SMALLEST, _LARGEST = 0.4, 0.7
# Largest share of a new shape that may overlap others.
_MAX_OVERLAP = 0.1
_SEED = 20260101


class Scene(NamedTuple):
    """An image: pixels (H, W, 3), uint8; mask (H, W), uint8, with labels from 1; its objects."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    boxes: ObjectBoxes


@lru_cache(maxsize=TRAIN_IMAGES + VALIDATION_IMAGES)
def scene(number: int) -> Scene:
    """Return the image with a number."""
    rng = np.random.default_rng([_SEED, number])
    pixels = _texture(rng)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    corners: list[list[float]] = []
    labels: list[int] = []
    for _ in range(int(rng.integers(1, _MOST_SHAPES + 1))):
        label = int(rng.integers(len(CLASSES)))
        own = _shape(rng)[label]
        if (mask[own] > 0).mean() > _MAX_OVERLAP:
            continue
        colour = _colour(rng, pixels[own].mean(0))
        pixels[own] = 0.85 * colour + 0.15 * pixels[own]
        mask[own] = label + 1
        rows = np.flatnonzero(own.any(1))
        columns = np.flatnonzero(own.any(0))
        corners.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        labels.append(label)
    boxes = ObjectBoxes(
        np.array(corners, np.float64), np.array(labels, np.int64), np.zeros(len(labels), bool)
    )
    return Scene(pixels.clip(0, 255).astype(np.uint8), mask, boxes)


def _texture(rng: np.random.Generator) -> FloatArray:
    """Return coarse patches of two colours under fine noise, (H, W, 3)."""
    first, second = rng.uniform(0, 255, (2, 3))
    coarse = rng.uniform(0, 1, (HEIGHT // 8, WIDTH // 8)).repeat(8, 0).repeat(8, 1)[..., None]
    blend = first + 0.4 * coarse * (second - first)
    return np.asarray(blend + rng.normal(0, 10, (HEIGHT, WIDTH, 3)))


def _shape(rng: np.random.Generator) -> list[BoolArray]:
    """Return the pixels inside of each shape at one random position, (H, W) each."""
    side = rng.uniform(_SMALLEST, _LARGEST) * HEIGHT
    left = rng.uniform(0, WIDTH - side)
    top = rng.uniform(0, HEIGHT - side)
    # Centres of the pixels, in units of the side from the top left corner of the shape.
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    across = (x - left) / side
    down = (y - top) / side
    square = (across > 0) & (across < 1) & (down > 0) & (down < 1)
    disc = (across - 0.5) ** 2 + (down - 0.5) ** 2 < 0.25
    triangle = square & (np.abs(across - 0.5) < down / 2)
    return [disc, square, triangle]


def _colour(rng: np.random.Generator, background: FloatArray) -> FloatArray:
    """Return the one of eight random colours that differs most from the background."""
    colours = rng.uniform(0, 255, (8, 3))
    return np.asarray(colours[np.abs(colours - background).sum(1).argmax()])


def annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return the shapes."""
    return AnnotatedCatalogue(
        where="shapes",
        class_names=("background", *CLASSES) if kind == SEGMENTATION else CLASSES,
        held_out=np.arange(TRAIN_IMAGES + VALIDATION_IMAGES) >= TRAIN_IMAGES,
        mark=f"shapes {_SEED}",
        image=lambda row: scene(row).pixels,
        name=lambda row: f"image {row}",
        boxes=lambda row: scene(row).boxes,
        mask=lambda row: scene(row).mask,
        at_hand=True,
    )


ANNOTATIONS.register("shapes")(
    AnnotatedSource(
        "'shapes', drawn on the fly",
        (DETECTION, SEGMENTATION),
        lambda source: source == "shapes",
        annotated,
    )
)
