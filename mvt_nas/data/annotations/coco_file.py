"""A file of COCO's, checked: pictures with their objects, and categories."""

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
    """What a file says.

    Attributes:
        path: of the file.
        images: each with ``file_name``, ``width`` and ``height``, and its objects, each with
            ``id``, ``category_id``, ``bbox``; boxes without an area are left out, of which COCO
            itself has some.
        categories: number and name, by number.
    """

    path: Path
    images: list[tuple[Mapping[str, Any], list[Mapping[str, Any]]]]
    categories: list[tuple[int, str]]


def read_coco(path: Path) -> CocoFile:
    """Return what a file says.

    Raises:
        DataError: it cannot be read, or a part of it is missing or not allowed; the message names
            file, key and value.
    """
    data = _json(path)
    categories = sorted(
        (_field(found, "id", int, place), _field(found, "name", str, place))
        for place, found in _list(data, "categories", path)
    )
    known = {number for number, _ in categories}
    if len(known) < len(categories) or not categories:
        raise DataError(
            f"{path}: categories: every one needs an id of its own, and there has to be one"
        )
    images: dict[int, tuple[Mapping[str, Any], list[Mapping[str, Any]]]] = {}
    for place, found in _list(data, "images", path):
        images[_field(found, "id", int, place)] = (_image(found, place), [])
    for place, found in _list(data, "annotations", path):
        number, category = (
            _field(found, "image_id", int, place),
            _field(found, "category_id", int, place),
        )
        if number not in images:
            raise DataError(
                f"{place}: image_id = {number} is not allowed; one of the images in the file"
            )
        if category not in known:
            raise DataError(
                f"{place}: category_id = {category} is not allowed; one of {listing(sorted(known))}"
            )
        box = _box(found, place)
        if box[2] and box[3]:
            images[number][1].append({**found, "id": found.get("id", "?"), "bbox": box})
    return CocoFile(path, [images[number] for number in sorted(images)], categories)


def _json(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: no JSON ({' '.join(str(error).split())})") from None
    if not isinstance(data, Mapping):
        raise DataError(f"{path}: a mapping with images, annotations and categories is expected")
    return data


def _list(data: Mapping[str, Any], key: str, path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the entries under a key, each with what to call it in messages."""
    entries = data.get(key)
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise DataError(f"{path}: {key}: a list of mappings is expected")
    return [(f"{path}: {key}[{number}]", entry) for number, entry in enumerate(entries)]


def _field(entry: Mapping[str, Any], name: str, kind: type, where: str) -> Any:
    value = entry.get(name)
    if type(value) is not kind:
        raise DataError(
            f"{where}: {name} = {value!r} is not allowed;"
            f" {'an integer' if kind is int else 'a text'}"
        )
    return value


def _image(entry: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    name = _field(entry, "file_name", str, where)
    place = PurePosixPath(name)
    if not place.parts or place.is_absolute() or ".." in place.parts or "\0" in name:
        raise DataError(
            f"{where}: file_name = {name!r} is not allowed; a path within the folder of the"
            " pictures"
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
