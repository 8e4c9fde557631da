"""Validated annotation file of COCO: images with their objects, and categories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mvt_nas.errors import DataError, listing

_NUMBER = (int, float)


@dataclass(frozen=True, slots=True)
class CocoFile:
    """Content of an annotation file.

    Attributes:
        path: Path of the file.
        images: Images, each with ``file_name``, ``width`` and ``height``, and its objects, each
            with ``id``, ``category_id`` and ``bbox``. Boxes without an area, of which COCO itself
            has some, are left out.
        categories: Ids and names of the categories, sorted by id.
    """

    path: Path
    images: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]
    categories: list[tuple[int, str]]


def read_coco(path: Path) -> CocoFile:
    """Return the content of an annotation file.

    Raises:
        DataError: it cannot be read, or a part of it is missing or not allowed; the message names
            file, key and value.
    """
    data = _json(path)
    categories = sorted(
        (_field(entry, "id", int, where), _field(entry, "name", str, where))
        for where, entry in _list(data, "categories", path)
    )
    known = {number for number, _ in categories}
    if len(known) < len(categories) or not categories:
        raise DataError(f"{path}: categories: at least one is needed, each with a unique id")
    images: dict[int, tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = {}
    for where, entry in _list(data, "images", path):
        images[_field(entry, "id", int, where)] = (_image(entry, where), [])
    for where, entry in _list(data, "annotations", path):
        image_id = _field(entry, "image_id", int, where)
        category_id = _field(entry, "category_id", int, where)
        if image_id not in images:
            raise DataError(
                f"{where}: image_id = {image_id} is not allowed; one of the images in the file"
            )
        if category_id not in known:
            raise DataError(
                f"{where}: category_id = {category_id} is not allowed; one of"
                f" {listing(sorted(known))}"
            )
        box = _box(entry, where)
        if box[2] and box[3]:
            images[image_id][1].append({**entry, "id": entry.get("id", "?"), "bbox": box})
    return CocoFile(path, [images[number] for number in sorted(images)], categories)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not valid JSON ({' '.join(str(error).split())})") from None
    if not isinstance(data, Mapping):
        raise DataError(f"{path}: a mapping with images, annotations and categories is expected")
    return data


def _list(data: Mapping[str, Any], key: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the entries under a key, each with its name in messages."""
    entries = data.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise DataError(f"{path}: {key}: a list of mappings is expected")
    return [(f"{path}: {key}[{number}]", entry) for number, entry in enumerate(entries)]


def _field(entry: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    value = entry.get(name)
    # Not isinstance: True is no integer here.
    if type(value) is not kind:
        allowed = "an integer" if kind is int else "a text"
        raise DataError(f"{where}: {name} = {value!r} is not allowed; {allowed}")
    return value


def _image(entry: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    name = _field(entry, "file_name", str, where)
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise DataError(
            f"{where}: file_name = {name!r} is not allowed; a path within the folder of the images"
        )
    for side in ("width", "height"):
        if _field(entry, side, int, where) < 1:
            raise DataError(f"{where}: {side} = {entry[side]} is not allowed; 1 or more")
    return entry


def _box(entry: Mapping[str, Any], where: str) -> list[float]:
    box = entry.get("bbox")
    if (
        not isinstance(box, list)
        or len(box) != 4
        or any(type(value) not in _NUMBER for value in box)
    ):
        raise DataError(
            f"{where}: bbox = {str(box)[:60]} is not allowed; [left, top, width, height]"
        )
    return [float(value) for value in box]
