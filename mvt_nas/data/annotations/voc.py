"""Folders in the Pascal VOC format: ``JPEGImages`` with ``Annotations`` or ``SegmentationClass``.

``Annotations`` holds boxes, ``SegmentationClass`` masks, and ``ImageSets`` lists of images.
``train.txt`` lists the training images and ``val.txt`` the validation images. With
``trainval.txt`` alone, or without lists, a share of the images is for validation. Lists called test
are never read.

Annotations may come from anywhere, so XML is parsed by ``defusedxml``, which refuses document types
and entities: they could make a small file a huge one, or read other files.

Source: Everingham et al., "The PASCAL visual object classes challenge" (2010).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, TreeBuilder

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from mvt_nas._typing import BoolArray
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

VOC_CLASSES = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
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
)
"""The classes of VOC's own images. In masks the background comes first, whether ``classes.txt``
names it or not."""

_IMAGES, _BOXES, _MASKS = "JPEGImages", "Annotations", "SegmentationClass"
_BACKGROUND = "background"
_LISTS = {DETECTION: "Main", SEGMENTATION: "Segmentation"}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")

_Object = tuple[tuple[float, float, float, float], str, bool]
"""Corners, class name, and whether the object is difficult."""


class _TooDeep(Exception):
    """More nested elements than an annotation can have."""


class _ShallowTreeBuilder(TreeBuilder):
    """Builds the tree of a document, and stops at too many nested elements."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def start(self, tag: str, attrs: dict[str, str], /) -> Element:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _TooDeep
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> Element:
        self._depth -= 1
        return super().end(tag)


def read_xml(path: Path) -> Element:
    """Return the root of an XML document.

    Raises:
        DataError: it cannot be read, is not valid XML, is larger than 4 MB, or has a document type
            or entities.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    if data is None:
        raise DataError(
            f"{path}: larger than {_MOST_BYTES // 2**20} MB; the annotation of one image is"
            " expected"
        )
    parser = DefusedXMLParser(target=_ShallowTreeBuilder(), forbid_dtd=True)
    try:
        parser.feed(data)
        root: Element = parser.close()
    except DefusedXmlException:
        raise DataError(
            f"{path}: refused: document types and entities are not allowed in annotations"
        ) from None
    except _TooDeep:
        raise DataError(f"{path}: refused: more than {_DEEPEST} nested elements") from None
    except (ParseError, ValueError, LookupError) as error:
        raise DataError(f"{path}: not valid XML ({' '.join(str(error).split())})") from None
    return root


def annotated(source: str, kind: str) -> AnnotatedCatalogue:
    """Return the content of a folder.

    Raises:
        DataError: it cannot be read, an image is missing, or an annotation is not valid.
    """
    root = Path(source)
    stems, held_out = _listed(root, kind)
    paths = _image_paths(root, stems)
    classes = tuple(name for name in named_classes(root) if name != _BACKGROUND)

    def image(row: int) -> bytes:
        return paths[row].read_bytes()

    def image_name(row: int) -> str:
        return str(paths[row])

    if kind == SEGMENTATION:
        masks = [root / _MASKS / f"{stem}.png" for stem in stems]
        return AnnotatedCatalogue(
            where=source,
            class_names=(_BACKGROUND, *(classes or VOC_CLASSES)),
            held_out=held_out,
            mark=digest(repr(stems).encode("utf-8", "surrogatepass")),
            image=image,
            name=image_name,
            mask=lambda row: read_mask(masks[row]),
        )
    files = [root / _BOXES / f"{stem}.xml" for stem in stems]
    sizes, objects = zip(*(_objects(file, classes) for file in files), strict=True)
    classes = classes or tuple(sorted({name for own in objects for _, name, _ in own}))
    boxes = [_boxes(own, classes, size) for own, size in zip(objects, sizes, strict=True)]
    return AnnotatedCatalogue(
        where=source,
        class_names=classes,
        held_out=held_out,
        mark=digest(repr((stems, sizes, objects)).encode("utf-8", "surrogatepass")),
        image=image,
        name=image_name,
        boxes=boxes.__getitem__,
    )


def _listed(root: Path, kind: str) -> tuple[list[str], BoolArray]:
    """Return the names of the images, and which of them are for validation."""
    folder = root / "ImageSets" / _LISTS[kind]
    train = _list(folder / "train.txt")
    validation = _list(folder / "val.txt")
    if not train:
        train = [stem for stem in _list(folder / "trainval.txt") if stem not in set(validation)]
    if not train and not validation:
        # No lists: all annotated images.
        place = root / (_BOXES if kind == DETECTION else _MASKS)
        train = sorted(
            entry.stem
            for entry in place.glob("*.xml" if kind == DETECTION else "*.png")
            if not entry.name.startswith(".")
        )
    if not train:
        raise DataError(
            f"{root}: no training images; {folder / 'train.txt'} lists images, one per line"
        )
    both = sorted(set(train) & set(validation))
    if both:
        raise DataError(f"{folder}: {both[0]} is in train.txt and in val.txt; it can be in one")
    return [*train, *validation], np.array([False] * len(train) + [True] * len(validation))


def _list(path: Path) -> list[str]:
    stems = [line.split()[0] for line in read_lines(path)] if path.exists() else []
    wrong = next((stem for stem in stems if os.sep in stem or stem.startswith(".")), None)
    if wrong is not None:
        raise DataError(
            f"{path}: {wrong!r} is not allowed; the name of an image in {_IMAGES}, without suffix"
        )
    return list(dict.fromkeys(stems))


def _image_paths(root: Path, stems: Sequence[str]) -> list[Path]:
    folder = root / _IMAGES
    try:
        name_of = {
            os.path.splitext(name)[0]: name
            for name in sorted(os.listdir(folder))
            if os.path.splitext(name)[1].lower() in SUFFIXES
        }
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None
    missing = next((stem for stem in stems if stem not in name_of), None)
    if missing is not None:
        raise DataError(f"{folder}: no image {missing!r}, which is listed or annotated")
    return [folder / name_of[stem] for stem in stems]


def _objects(path: Path, classes: tuple[str, ...]) -> tuple[tuple[int, int], list[_Object]]:
    """Return width and height of an image, and its objects."""
    root = read_xml(path)
    size = root.find("size")
    width = int(_number(size, "width", f"{path}: size"))
    height = int(_number(size, "height", f"{path}: size"))
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
        # VOC counts pixels from 1, and the last one is inside the box: only left and top move.
        # Tools that count from 0 write 0 there, which stays.
        corners = (max(left - 1, min(left, 0.0)), max(top - 1, min(top, 0.0)), right, bottom)
        checked = checked_corners(corners, width, height, f"{where}: bndbox")
        difficult = (found.findtext("difficult") or "0").strip() == "1"
        result.append((checked, name, difficult))
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
    # Boxes without an area are left out.
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
        "a folder in the Pascal VOC format (JPEGImages next to Annotations or SegmentationClass)",
        (DETECTION, SEGMENTATION),
        lambda source: (Path(source) / _IMAGES).is_dir(),
        annotated,
    )
)
