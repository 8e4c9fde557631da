"""XML that may come from anywhere: read without document types and entities, which could make a small file a huge one or read others.

Folders in the form of Pascal VOC: ``JPEGImages`` with ``Annotations`` (boxes) or
``SegmentationClass`` (masks), lists in ``ImageSets``.

``train.txt`` is learnt from and ``val.txt`` judged by; of ``trainval.txt`` alone, or without lists,
a share is. Lists called test are never read. Source: Everingham et al., "The PASCAL visual object
classes challenge" (2010).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from mvt_nas.data.annotated_source import (
    ANNOTATIONS,
    DETECTION,
    SEGMENTATION,
    AnnotatedCatalogue,
    AnnotatedSource,
    ObjectBoxes,
    checked_corners,
)
from mvt_nas.data.annotations.class_file import NAME, named_classes, read_lines
from mvt_nas.data.annotations.index_mask import read_mask
from mvt_nas.data.dataset import digest
from mvt_nas.data.sources.folder import SUFFIXES
from mvt_nas.errors import DataError, listing, nearest

_MOST_BYTES = 4 * 2**20
_DEEPEST = 50


class _Deep(Exception):
    """Elements within elements beyond all reason."""


class _Typed(Exception):
    """A document type, or entities."""


class _Builder:
    """Builds the tree of a document, and stops where it gets deep."""

    def __init__(self) -> None:
        self.tree = TreeBuilder()
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Deep
        self.tree.start(name, attributes)

    def end(self, name: str) -> None:
        self._depth -= 1
        self.tree.end(name)


def read_xml(path: Path) -> Element:
    """Return the root of a document.

    Raises:
        DataError: it cannot be read, is no XML, is larger than 4 MB, or has a document type or
            entities.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if data is None:
        raise DataError(
            f"{path}: larger than {_MOST_BYTES // 2**20} MB; the annotation of one picture is"
            " expected"
        )
    builder = _Builder()
    try:
        _parser(builder).Parse(data, True)
        return builder.tree.close()
    except _Typed:
        raise DataError(
            f"{path}: refused: it has a document type or entities, which annotations have no"
            " need of"
        ) from None
    except _Deep:
        raise DataError(
            f"{path}: refused: more than {_DEEPEST} elements within each other"
        ) from None
    except (expat.ExpatError, AssertionError, ValueError, LookupError) as error:
        raise DataError(
            f"{path}: no XML ({' '.join(str(error).split()) or 'nothing in it'})"
        ) from None


def _parser(builder: _Builder) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.tree.data
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = _refuse
    return parser


def _refuse(*_: object) -> NoReturn:
    raise _Typed


OBJECTS = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *(
        "diningtable",
        "dog",
        "horse",
        "motorbike",
        "person",
        "pottedplant",
        "sheep",
        "sofa",
        "train",
        "tvmonitor",
    ),
)
"""The classes of VOC's own pictures. In masks, the background comes first, whether ``classes.txt``
names it or not."""

_PICTURES, _BOXES, _MASKS = "JPEGImages", "Annotations", "SegmentationClass"
_BACKGROUND = "background"
_LISTS = {DETECTION: "Main", SEGMENTATION: "Segmentation"}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")

_Object = tuple[tuple[float, float, float, float], str, bool]


def annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return what a folder holds.

    Raises:
        DataError: it cannot be read, a picture is missing, or an annotation cannot be.
    """
    root = Path(source)
    stems, held_out = _listed(root, kind)
    paths = _pictures(root, stems)
    classes = tuple(name for name in named_classes(root) if name != _BACKGROUND)
    rest = (lambda row: paths[row].read_bytes(), lambda row: str(paths[row]))
    if kind == SEGMENTATION:
        classes = (_BACKGROUND, *(classes or OBJECTS))
        masks = [root / _MASKS / f"{stem}.png" for stem in stems]
        return AnnotatedCatalogue(
            source,
            classes,
            held_out,
            digest(repr(stems).encode("utf-8", "surrogatepass")),
            *rest,
            mask=lambda row: read_mask(masks[row]),
        )
    files = [root / _BOXES / f"{stem}.xml" for stem in stems]
    sizes, objects = zip(*(_objects(file, classes) for file in files), strict=True)
    classes = classes or tuple(sorted({name for found in objects for _, name, _ in found}))
    boxes = [_boxes(found, classes, size) for found, size in zip(objects, sizes, strict=True)]
    return AnnotatedCatalogue(
        source,
        classes,
        held_out,
        digest(repr((stems, sizes, objects)).encode("utf-8", "surrogatepass")),
        *rest,
        boxes=boxes.__getitem__,
    )


def _listed(root: Path, kind: str) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Return the names of the pictures, and which of them are for validation."""
    folder = root / "ImageSets" / _LISTS[kind]
    learnt, judged = (_list(folder / f"{part}.txt") for part in ("train", "val"))
    if not learnt:
        learnt = [stem for stem in _list(folder / "trainval.txt") if stem not in set(judged)]
    if not learnt and not judged:
        place = root / (_BOXES if kind == DETECTION else _MASKS)
        learnt = sorted(
            entry.stem
            for entry in place.glob("*.xml" if kind == DETECTION else "*.png")
            if not entry.name.startswith(".")
        )
    if not learnt:
        raise DataError(
            f"{root}: nothing to learn from; {folder / 'train.txt'} names pictures, one a line"
        )
    both = sorted(set(learnt) & set(judged))
    if both:
        raise DataError(f"{folder}: {both[0]} is in train.txt and in val.txt; it can be in one")
    return [*learnt, *judged], np.array([False] * len(learnt) + [True] * len(judged))


def _list(path: Path) -> list[str]:
    stems = [line.split()[0] for line in read_lines(path)] if path.exists() else []
    wrong = next((stem for stem in stems if os.sep in stem or stem.startswith(".")), None)
    if wrong is not None:
        raise DataError(
            f"{path}: {wrong!r} is not allowed; the name of a picture in {_PICTURES}, without"
            " suffix"
        )
    return list(dict.fromkeys(stems))


def _pictures(root: Path, stems: Sequence[str]) -> list[Path]:
    try:
        there = {
            os.path.splitext(name)[0]: name
            for name in sorted(os.listdir(root / _PICTURES))
            if os.path.splitext(name)[1].lower() in SUFFIXES
        }
    except OSError as error:
        raise DataError(f"{root / _PICTURES}: cannot be read ({error.strerror})") from None
    missing = next((stem for stem in stems if stem not in there), None)
    if missing is not None:
        raise DataError(f"{root / _PICTURES}: no picture {missing!r}, which is listed or annotated")
    return [root / _PICTURES / there[stem] for stem in stems]


def _objects(path: Path, classes: tuple[str, ...]) -> tuple[tuple[int, int], list[_Object]]:
    """Return width and height of a picture; corners, class and whether it is difficult, of its objects."""
    root = read_xml(path)
    width, height = (
        int(_number(root.find("size"), side, f"{path}: size")) for side in ("width", "height")
    )
    result = []
    for number, found in enumerate(root.findall("object"), start=1):
        where = f"{path}: object {number}"
        name = (found.findtext("name") or "").strip()
        if not name or (classes and name not in classes):
            allowed = (
                f"one of {listing(classes)} ({NAME}){nearest(name, classes)}"
                if classes
                else "the name of a class"
            )
            raise DataError(f"{where}: name = {name!r} is not allowed; {allowed}")
        left, top, right, bottom = (
            _number(found.find("bndbox"), side, f"{where}: bndbox") for side in _CORNERS
        )
        corners = (
            max(left - 1, min(left, 0.0)),
            max(top - 1, min(top, 0.0)),
            right,
            bottom,
        )  # pixels count from 1, the last one inside
        difficult = (found.findtext("difficult") or "0").strip() == "1"
        result.append(
            (checked_corners(corners, width, height, f"{where}: bndbox"), name, difficult)
        )
    return (width, height), result


def _number(element: Element | None, name: str, where: str) -> float:
    text = None if element is None else element.findtext(name)
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{where}.{name} = {text!r} is not allowed; a number") from None


def _boxes(
    objects: Sequence[_Object], classes: tuple[str, ...], size: tuple[int, int]
) -> ObjectBoxes:
    kept = [
        (corners, name, difficult)
        for corners, name, difficult in objects
        if corners[2] > corners[0] and corners[3] > corners[1]
    ]
    return ObjectBoxes(
        np.array([corners for corners, _, _ in kept], np.float64).reshape(-1, 4),
        np.array([classes.index(name) for _, name, _ in kept], np.int64),
        np.array([difficult for _, _, difficult in kept], bool),
        size,
    )


ANNOTATIONS.register("voc")(
    AnnotatedSource(
        "a folder in the form of Pascal VOC (JPEGImages beside Annotations or SegmentationClass)",
        (DETECTION, SEGMENTATION),
        lambda source: (Path(source) / _PICTURES).is_dir(),
        annotated,
    )
)
