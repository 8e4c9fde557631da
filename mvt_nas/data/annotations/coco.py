"""Outlines of objects, as COCO has them, to the class of every pixel: polygons, or runs of pixels for crowds.

Folders in the form of COCO: ``annotations/instances_train2017.json`` and
``instances_val2017.json``, pictures in folders beside.

Objects have boxes; their outlines become masks where those are asked for. Source: Lin et al., arXiv
1405.0312.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.data.annotated_source import (
    ANNOTATIONS,
    DETECTION,
    IGNORED,
    SEGMENTATION,
    AnnotatedCatalogue,
    AnnotatedSource,
    ObjectBoxes,
    checked_corners,
)
from mvt_nas.data.annotations.coco_file import CocoFile, read_coco
from mvt_nas.data.dataset import digest
from mvt_nas.errors import DataError, listing


def draw_outlines(
    size: tuple[int, int], outlines: Sequence[Any], boxes: ObjectBoxes, where: str
) -> NDArray[np.uint8]:
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
        outline, value = (
            outlines[number],
            IGNORED if boxes.ignored[number] else int(boxes.labels[number]) + 1,
        )
        if isinstance(outline, list):
            for polygon in outline:
                pen.polygon(_points(polygon, where), fill=value)
        else:
            mask.paste(value, (0, 0), Image.fromarray(_runs(outline, size, where)))
    return np.array(mask)


def _points(polygon: Any, where: str) -> list[float]:
    good = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
    if not good or any(
        type(value) not in (int, float) or not abs(value) < 1e6 for value in polygon
    ):
        raise DataError(
            f"{where} = {str(polygon)[:60]} is not allowed; x and y of three points or more"
        )
    return [float(value) for value in polygon]


def _runs(outline: Any, size: tuple[int, int], where: str) -> NDArray[np.uint8]:
    """Return runs of pixels outside and inside by turns, column by column, as (H, W), 0 and 255."""
    counts = outline.get("counts") if isinstance(outline, dict) else None
    total = size[0] * size[1]
    if (
        not isinstance(counts, list)
        or any(type(count) is not int or count < 0 for count in counts)
        or sum(counts) != total
    ):
        raise DataError(
            f"{where} = {str(outline)[:60]} is not allowed; polygons, or counts of pixels that add"
            f" up to {total}"
        )
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size)
    return np.ascontiguousarray(inside.T).astype(np.uint8) * 255


BACKGROUND = "background"


@dataclass(frozen=True, slots=True, eq=False)
class _Objects:
    """All objects of a source, those of a picture beside each other.

    Attributes:
        corners: (n, 4), float64.
        labels: (n,), int64, from 0.
        crowds: (n,), bool.
        starts: (N + 1,), int64, where each picture's begin and end.
        sizes: width and height of each picture.
        outlines: by object, as in the file; empty where no masks are asked for.
    """

    corners: NDArray[np.float64]
    labels: NDArray[np.int64]
    crowds: NDArray[np.bool_]
    starts: NDArray[np.int64]
    sizes: list[tuple[int, int]]
    outlines: list[Any]

    def of(self, row: int) -> ObjectBoxes:
        own = slice(int(self.starts[row]), int(self.starts[row + 1]))
        return ObjectBoxes(self.corners[own], self.labels[own], self.crowds[own], self.sizes[row])


def annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return what a folder holds; pictures without objects are not learnt from.

    Raises:
        DataError: a file cannot be read, or an annotation cannot be.
    """
    parts = [read_coco(path) for path in _files(Path(source))]
    if len(parts) == 2 and parts[0].categories != parts[1].categories:
        raise DataError(f"{parts[1].path}: categories differ from those of {parts[0].path.name}")
    places, held_out, objects = _gathered(parts, Path(source), kind)
    names = tuple(name for _, name in parts[0].categories)
    content = (objects.corners, objects.labels, objects.crowds, objects.starts)
    mark = digest(
        repr((names, [os.path.relpath(place, source) for place in places])).encode(
            "utf-8", "surrogatepass"
        ),
        *content,
    )
    rest = (lambda row: places[row].read_bytes(), lambda row: str(places[row]))
    if kind == DETECTION:
        return AnnotatedCatalogue(source, names, held_out, mark, *rest, boxes=objects.of)

    def mask(row: int) -> NDArray[np.uint8]:
        own, found = slice(int(objects.starts[row]), int(objects.starts[row + 1])), objects.of(row)
        return draw_outlines(
            objects.sizes[row], objects.outlines[own], found, f"{places[row]}: segmentation"
        )

    return AnnotatedCatalogue(source, (BACKGROUND, *names), held_out, mark, *rest, mask=mask)


def _files(root: Path) -> list[Path]:
    """Return the file of the part that is learnt from, and that of the part for validation if there is one."""
    result = []
    for part in ("train", "val"):
        found = sorted((root / "annotations").glob(f"instances_{part}*.json"))
        if len(found) > 1:
            raise DataError(
                f"{root}: {listing(path.name for path in found)}; one file for {part} is allowed"
            )
        result += found
    if not result or not result[0].name.startswith("instances_train"):
        raise DataError(
            f"{root / 'annotations'}: instances_train*.json is missing, which is learnt from"
        )
    return result


def _folder(root: Path, path: Path) -> Path:
    """Return where the pictures of a file lie: ``train2017``, ``train``, or one of these in ``images``."""
    name = path.stem.removeprefix("instances_")
    part = "train" if name.startswith("train") else "val"
    places = [root / name, root / part, root / "images" / name, root / "images" / part]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise DataError(
            f"{path}: no folder of its pictures; one of"
            f" {listing(str(place.relative_to(root)) for place in places)} beside it"
        )
    return found


def _gathered(
    parts: list[CocoFile], root: Path, kind: str
) -> tuple[list[Path], NDArray[np.bool_], _Objects]:
    places, sizes, held_out, corners, labels, crowds, counts, outlines = (
        [],
        [],
        [],
        [],
        [],
        [],
        [0],
        list[Any](),
    )
    for judged, part in enumerate(parts):
        folder, codes = (
            _folder(root, part.path),
            {number: label for label, (number, _) in enumerate(part.categories)},
        )
        for image, own in part.images:
            if not own and not judged:
                continue
            for found in own:
                corners.append(_corners(found, image, part.path))
                labels.append(codes[found["category_id"]])
                crowds.append(bool(found.get("iscrowd", 0)))
                if kind == SEGMENTATION:
                    outlines.append(found.get("segmentation"))
            places.append(folder / image["file_name"])
            sizes.append((image["width"], image["height"]))
            held_out.append(bool(judged))
            counts.append(len(own))
    found_corners = np.array(corners, np.float64).reshape(-1, 4)
    objects = _Objects(
        found_corners,
        np.array(labels, np.int64),
        np.array(crowds, bool),
        np.cumsum(counts, dtype=np.int64),
        sizes,
        outlines,
    )
    return places, np.array(held_out, bool), objects


def _corners(
    found: Mapping[str, Any], image: Mapping[str, Any], path: Path
) -> tuple[float, float, float, float]:
    left, top, width, height = found["bbox"]
    where = f"{path}: annotation {found['id']}: bbox [left, top, width, height] as corners"
    return checked_corners(
        (left, top, left + width, top + height), image["width"], image["height"], where
    )


ANNOTATIONS.register("coco")(
    AnnotatedSource(
        "a folder in the form of COCO (annotations/instances_train*.json)",
        (DETECTION, SEGMENTATION),
        lambda source: (
            (Path(source) / "annotations").is_dir()
            and any((Path(source) / "annotations").glob("instances_*.json"))
        ),
        annotated,
    )
)
