"""Outlines of objects, as COCO has them, to the class of every pixel: polygons, or runs of pixels for crowds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data.annotations.contract import IGNORED, Boxes
from mvt_nas.errors import DataError


def draw_outlines(size: tuple[int, int], outlines: Sequence[Any], boxes: Boxes, where: str) -> NDArray[np.uint8]:
    """Return the class of every pixel, (H, W), uint8: 0 for the background, labels from 1; small objects lie over large ones.

    Args:
        size: width and height of the picture.
        outlines: by object; a list of polygons, or ``counts`` and ``size`` of runs.
        boxes: the same objects.
        where: begins messages.

    Raises:
        DataError: an outline is neither.
    """
    from PIL import Image, ImageDraw

    mask = Image.new("L", size)
    pen = ImageDraw.Draw(mask)
    sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
    for number in np.argsort(-sides.prod(1), kind="stable").tolist():
        outline, value = outlines[number], IGNORED if boxes.ignored[number] else int(boxes.labels[number]) + 1
        if isinstance(outline, list):
            for polygon in outline:
                pen.polygon(_points(polygon, where), fill=value)
        else:
            mask.paste(value, (0, 0), Image.fromarray(_runs(outline, size, where)))
    return np.array(mask)


def _points(polygon: Any, where: str) -> list[float]:
    good = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
    if not good or any(type(value) not in (int, float) or not abs(value) < 1e6 for value in polygon):
        raise DataError(f"{where} = {str(polygon)[:60]} is not allowed; x and y of three points or more")
    return [float(value) for value in polygon]


def _runs(outline: Any, size: tuple[int, int], where: str) -> NDArray[np.uint8]:
    """Return runs of pixels outside and inside by turns, column by column, as (H, W), 0 and 255."""
    counts = outline.get("counts") if isinstance(outline, dict) else None
    total = size[0] * size[1]
    if not isinstance(counts, list) or any(type(count) is not int or count < 0 for count in counts) or sum(counts) != total:
        raise DataError(f"{where} = {str(outline)[:60]} is not allowed; polygons, or counts of pixels that add up to {total}")
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size)
    return np.ascontiguousarray(inside.T).astype(np.uint8) * 255
