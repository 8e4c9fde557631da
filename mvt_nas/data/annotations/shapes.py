"""Coloured discs, squares and triangles before textures, drawn on the fly: boxes and masks with nothing to download.

They are for a first try, and for tests. A shape's colour says nothing of its class. Every picture
is a function of its number.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data.annotated_source import (
    ANNOTATIONS,
    DETECTION,
    SEGMENTATION,
    AnnotatedCatalogue,
    AnnotatedSource,
    ObjectBoxes,
)

CLASSES = ("disc", "square", "triangle")
LEARNT, JUDGED = 800, 100
WIDTH, HEIGHT = 112, 96
_MOST = 2
_SMALLEST, _LARGEST = 0.4, 0.7  # of the height
_KEPT_APART = 0.1  # largest share of a shape that another may cover
_SEED = 20260101


class Scene(NamedTuple):
    """One picture: pixels (H, W, 3), uint8; mask (H, W), uint8, labels from 1; its objects."""

    pixels: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    boxes: ObjectBoxes


@lru_cache(maxsize=LEARNT + JUDGED)
def scene(number: int) -> Scene:
    """Return the picture with a number."""
    random = np.random.default_rng([_SEED, number])
    pixels, mask = _texture(random), np.zeros((HEIGHT, WIDTH), np.uint8)
    corners, labels = list[list[float]](), list[int]()
    for _ in range(int(random.integers(1, _MOST + 1))):
        label, inside = int(random.integers(len(CLASSES))), _shape(random)
        own = inside[label]
        if (mask[own] > 0).mean() > _KEPT_APART:
            continue
        colour = _colour(random, pixels[own].mean(0))
        pixels[own] = 0.85 * colour + 0.15 * pixels[own]
        mask[own] = label + 1
        rows, columns = np.flatnonzero(own.any(1)), np.flatnonzero(own.any(0))
        corners.append([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
        labels.append(label)
    boxes = ObjectBoxes(
        np.array(corners, np.float64), np.array(labels, np.int64), np.zeros(len(labels), bool)
    )
    return Scene(pixels.clip(0, 255).astype(np.uint8), mask, boxes)


def _texture(random: np.random.Generator) -> NDArray[np.float64]:
    """Return coarse patches of two colours under fine noise, (H, W, 3)."""
    first, second = random.uniform(0, 255, (2, 3))
    coarse = random.uniform(0, 1, (HEIGHT // 8, WIDTH // 8)).repeat(8, 0).repeat(8, 1)[..., None]
    blend = first + 0.4 * coarse * (second - first)
    return np.asarray(blend + random.normal(0, 10, (HEIGHT, WIDTH, 3)))


def _shape(random: np.random.Generator) -> list[NDArray[np.bool_]]:
    """Return the pixels inside of each shape at a random place, (H, W)."""
    side = random.uniform(_SMALLEST, _LARGEST) * HEIGHT
    left, top = random.uniform(0, WIDTH - side), random.uniform(0, HEIGHT - side)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    across, down = (x - left) / side, (y - top) / side
    square = (across > 0) & (across < 1) & (down > 0) & (down < 1)
    disc = (across - 0.5) ** 2 + (down - 0.5) ** 2 < 0.25
    triangle = square & (np.abs(across - 0.5) < down / 2)
    return [disc, square, triangle]


def _colour(random: np.random.Generator, ground: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return that of eight random colours which differs most from what lies below."""
    colours = random.uniform(0, 255, (8, 3))
    return np.asarray(colours[np.abs(colours - ground).sum(1).argmax()])


def annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return the shapes."""
    return AnnotatedCatalogue(
        where="shapes",
        class_names=("background", *CLASSES) if kind == SEGMENTATION else CLASSES,
        held_out=np.arange(LEARNT + JUDGED) >= LEARNT,
        mark=f"shapes {_SEED}",
        picture=lambda row: scene(row).pixels,
        name=lambda row: f"picture {row}",
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
