"""Folders in the COCO format, with boxes, or masks drawn from the outlines of the objects.

The annotations are ``annotations/instances_train2017.json`` and ``instances_val2017.json``; the
images are in folders next to ``annotations``.

Outlines are polygons, or runs of pixels for crowds. They are drawn with pillow, not with
``pycocotools.mask``: that leaves out pixels that a polygon covers only in part (about a tenth of
the pixels of an object 30 px wide), so masks, and all figures that rest on them, would change.

Source: Lin et al., "Microsoft COCO: common objects in context", arXiv 1405.0312.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mvt_nas._typing import BoolArray, FloatArray
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

BACKGROUND = "background"


def draw_outlines(
    size: tuple[int, int], outlines: Sequence[Any], boxes: ObjectBoxes, where: str
) -> NDArray[np.uint8]:
    """Return the class of every pixel, (H, W), uint8: 0 for the background, labels from 1.

    Small objects are drawn over large ones.

    Args:
        size: Width and height of the image.
        outlines: Outlines by object: a list of polygons, or ``counts`` and ``size`` of runs.
        boxes: Boxes of the same objects.
        where: Beginning of messages.

    Raises:
        DataError: an outline is neither of them.
    """
    mask = Image.new("L", size)
    pen = ImageDraw.Draw(mask)
    sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
    # The largest box first, so that smaller objects stay visible.
    for number in np.argsort(-sides.prod(1), kind="stable").tolist():
        outline = outlines[number]
        value = IGNORED if boxes.ignored[number] else int(boxes.labels[number]) + 1
        if isinstance(outline, list):
            for polygon in outline:
                pen.polygon(_points(polygon, where), fill=value)
        else:
            mask.paste(value, (0, 0), Image.fromarray(_runs(outline, size, where)))
    return np.array(mask)


def _points(polygon: Any, where: str) -> list[float]:
    pairs = isinstance(polygon, list) and len(polygon) >= 6 and len(polygon) % 2 == 0
    # "not abs(value) < 1e6" refuses NaN too.
    if not pairs or any(
        type(value) not in (int, float) or not abs(value) < 1e6 for value in polygon
    ):
        raise DataError(
            f"{where} = {str(polygon)[:60]} is not allowed; x and y of three points or more"
        )
    return [float(value) for value in polygon]


def _runs(outline: Any, size: tuple[int, int], where: str) -> NDArray[np.uint8]:
    """Return a mask (H, W) of 0 and 255 from the lengths of alternating runs, outside first."""
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
    # Runs go down the columns: with (width, height) as the shape, transposed.
    inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size)
    return np.ascontiguousarray(inside.T).astype(np.uint8) * 255


@dataclass(frozen=True, slots=True, eq=False)
class _Objects:
    """All objects of a source, sorted by image.

    Attributes:
        corners: Left, top, right and bottom of the boxes, (n, 4), float64.
        labels: Labels (n,), int64, from 0.
        crowds: Whether the objects are crowds, (n,), bool.
        starts: Index of each image's first object, and n at the end, (N + 1,), int64.
        sizes: Width and height of each image.
        outlines: Outlines by object, as in the file; empty unless masks are requested.
    """

    corners: FloatArray
    labels: NDArray[np.int64]
    crowds: BoolArray
    starts: NDArray[np.int64]
    sizes: list[tuple[int, int]]
    outlines: list[Any]

    def rows(self, image: int) -> slice:
        """Return the rows of an image's objects."""
        return slice(int(self.starts[image]), int(self.starts[image + 1]))

    def of(self, image: int) -> ObjectBoxes:
        """Return the objects of an image."""
        own = self.rows(image)
        return ObjectBoxes(self.corners[own], self.labels[own], self.crowds[own], self.sizes[image])


def annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return the content of a folder, without training images that have no objects.

    Raises:
        DataError: a file cannot be read, or an annotation is not valid.
    """
    parts = [read_coco(path) for path in _files(Path(source))]
    if len(parts) == 2 and parts[0].categories != parts[1].categories:
        raise DataError(f"{parts[1].path}: categories differ from those of {parts[0].path.name}")
    paths, held_out, objects = _gather(parts, Path(source), kind)
    names = tuple(name for _, name in parts[0].categories)
    relative = [os.path.relpath(path, source) for path in paths]
    mark = digest(
        repr((names, relative)).encode("utf-8", "surrogatepass"),
        objects.corners,
        objects.labels,
        objects.crowds,
        objects.starts,
    )

    def mask(row: int) -> NDArray[np.uint8]:
        outlines = objects.outlines[objects.rows(row)]
        where = f"{paths[row]}: segmentation"
        return draw_outlines(objects.sizes[row], outlines, objects.of(row), where)

    detection = kind == DETECTION
    return AnnotatedCatalogue(
        where=source,
        class_names=names if detection else (BACKGROUND, *names),
        held_out=held_out,
        mark=mark,
        image=lambda row: paths[row].read_bytes(),
        name=lambda row: str(paths[row]),
        boxes=objects.of if detection else None,
        mask=None if detection else mask,
    )


def _files(root: Path) -> list[Path]:
    """Return the annotation files of the training part and, if any, of the validation part."""
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
            f"{root / 'annotations'}: instances_train*.json with the training images is missing"
        )
    return result


def _folder(root: Path, path: Path) -> Path:
    """Return the folder of a file's images: ``train2017`` or ``train``, here or in ``images``."""
    name = path.stem.removeprefix("instances_")
    part = "train" if name.startswith("train") else "val"
    places = [root / name, root / part, root / "images" / name, root / "images" / part]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise DataError(
            f"{path}: no folder with its images; one of"
            f" {listing(str(place.relative_to(root)) for place in places)} is needed"
        )
    return found


def _gather(parts: list[CocoFile], root: Path, kind: str) -> tuple[list[Path], BoolArray, _Objects]:
    """Return the paths of the images, which of them are for validation, and their objects.

    Args:
        parts: Annotation files of the training part and, if there is one, of the validation part.
        root: Folder of the source.
        kind: Requested annotation.
    """
    paths: list[Path] = []
    sizes: list[tuple[int, int]] = []
    held_out: list[bool] = []
    corners: list[tuple[float, float, float, float]] = []
    labels: list[int] = []
    crowds: list[bool] = []
    outlines: list[Any] = []
    counts = [0]
    for is_validation, part in zip((False, True), parts, strict=False):
        folder = _folder(root, part.path)
        # Ids of categories may have gaps; labels are numbered from 0.
        label_of = {number: label for label, (number, _) in enumerate(part.categories)}
        for image, objects in part.images:
            if not objects and not is_validation:
                continue
            for entry in objects:
                corners.append(_corners(entry, image, part.path))
                labels.append(label_of[entry["category_id"]])
                crowds.append(bool(entry.get("iscrowd", 0)))
                if kind == SEGMENTATION:
                    outlines.append(entry.get("segmentation"))
            paths.append(folder / image["file_name"])
            sizes.append((image["width"], image["height"]))
            held_out.append(is_validation)
            counts.append(len(objects))
    gathered = _Objects(
        corners=np.array(corners, np.float64).reshape(-1, 4),
        labels=np.array(labels, np.int64),
        crowds=np.array(crowds, bool),
        starts=np.cumsum(counts, dtype=np.int64),
        sizes=sizes,
        outlines=outlines,
    )
    return paths, np.array(held_out, bool), gathered


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
        "a folder in the COCO format (annotations/instances_train*.json)",
        (DETECTION, SEGMENTATION),
        lambda source: (
            (Path(source) / "annotations").is_dir()
            and any((Path(source) / "annotations").glob("instances_*.json"))
        ),
        annotated,
    )
)
