"""The content of a search-space file: its keys, and the merge of two files by ``extends``.

A document is plain data. The values of its fields are checked when the plan of the space is built
(see ``plan_builder.py``).
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mvt_nas._fields import Alias
from mvt_nas._yaml import read_yaml
from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.resources import shipped_spaces
from mvt_nas.space.architecture import BLOCKS
from mvt_nas.space.sections import HEAD_ALIASES, overlaid, stage_aliases

FORMAT = 1
"""Version of the file format."""

KEYS = (
    "format",
    "name",
    "description",
    "extends",
    "resolution_px",
    "stem",
    "head",
    "shared",
    "defaults",
    "stages",
    "rules",
    "fix",
)
"""The keys of a document."""

MOST_STAGES = 16
"""Largest number of stages."""

MOST_RULES = 256
"""Largest number of rules."""

_SHAPES: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys(("name", "description", "extends"), (str, "a text")),
    **dict.fromkeys(("stem", "head", "shared", "defaults", "fix"), (dict, "a mapping")),
    **dict.fromkeys(("stages", "rules"), (list, "a list")),
}


def read_document(path: Path, inside: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the content of a space file with ``extends`` applied.

    Args:
        path: The file.
        inside: Files that extend this one, directly or through others.

    Raises:
        SpaceError: The file cannot be read, is not a YAML mapping of the known keys, or extends
            itself.
    """
    if inside and path.resolve() in inside:
        raise SpaceError(f"{path}: extends itself (by way of {listing(p.name for p in inside)})")
    own = check_document(read_yaml(path), str(path))
    own.setdefault("name", path.stem)
    if "extends" not in own:
        return own
    base = read_document(_parent(path, own.pop("extends")), (*inside, path.resolve()))
    # It describes the other space.
    base.pop("description", None)
    return _merge(base, own, str(path))


# Folders are named after spaces, so a name must not lead to another folder.
_NAME = re.compile(r"\w[\w.-]{0,63}")


def check_document(data: object, where: str) -> dict[str, Any]:
    """Return ``data`` if it is a mapping of the known keys to values of the right types.

    Args:
        data: Plain data.
        where: Beginning of error messages.

    Raises:
        SpaceError: It is not.
    """
    if not isinstance(data, Mapping):
        found = "the file is empty" if data is None else f"{reprlib.repr(data)} is not a mapping"
        raise SpaceError(f"{where}: {found}; a mapping with the keys {listing(KEYS)} is expected")
    for key, value in data.items():
        if key not in KEYS:
            raise SpaceError(
                f"{where}: unknown key {key!r}{nearest(str(key), KEYS)} (known: {listing(KEYS)})"
            )
        kind, noun = _SHAPES.get(key, (object, ""))
        if not isinstance(value, kind):
            raise SpaceError(
                f"{where}: {key} = {reprlib.repr(value)} is not allowed; {noun} is expected"
            )
    if type(data.get("format", FORMAT)) is not int or data.get("format", FORMAT) != FORMAT:
        raise SpaceError(
            f"{where}: format = {reprlib.repr(data['format'])} is not known; this version reads"
            f" {FORMAT}"
        )
    if "name" in data and not _NAME.fullmatch(data["name"]):
        raise SpaceError(
            f"{where}: name = {data['name']!r} is not allowed; up to 64 letters, digits, '.', '_'"
            " and '-', none of '.-' first"
        )
    _check_length(data, "stages", MOST_STAGES, where)
    _check_length(data, "rules", MOST_RULES, where)
    for index, stage in enumerate(data.get("stages", [])):
        if not isinstance(stage, dict):
            raise SpaceError(
                f"{where}: stages[{index}] = {reprlib.repr(stage)} is not allowed; a mapping of"
                " fields is expected"
            )
    return dict(data)


def _check_length(data: Mapping[str, Any], key: str, most: int, where: str) -> None:
    if len(data.get(key, [])) > most:
        raise SpaceError(f"{where}: {key} holds {len(data[key])} entries; at most {most}")


def _parent(path: Path, name: str) -> Path:
    """Return the file that another extends: one in its folder, or one shipped with the package."""
    shipped = shipped_spaces() / name
    for file in (path.parent / name, shipped, shipped.with_name(f"{shipped.name}.yaml")):
        if file.is_file():
            return file
    raise SpaceError(
        f"{path}: extends = {name!r} is not allowed; the name of a file in the same folder, or of a"
        " shipped space"
    )


def _merge(base: dict[str, Any], own: dict[str, Any], where: str) -> dict[str, Any]:
    """Return ``base`` with ``own`` over it.

    Mappings are merged key by key and stages by position, rules are appended, and anything else is
    replaced.
    """
    merged = dict(base)
    for key, value in own.items():
        if key in _ALIASES:
            merged[key] = overlaid(base.get(key, {}), value, _ALIASES[key]())
        elif key == "rules":
            merged[key] = [*base.get(key, []), *value]
        elif key == "stages" and "stages" in base:
            merged[key] = _merge_stages(base["stages"], value, where)
        else:
            merged[key] = value
    return merged


def _stage_aliases() -> Mapping[str, Alias]:
    return stage_aliases(tuple(BLOCKS))


_ALIASES: Mapping[str, Callable[[], Mapping[str, Alias]]] = {
    **dict.fromkeys(("stem", "fix"), dict),
    "head": lambda: HEAD_ALIASES,
    **dict.fromkeys(("shared", "defaults"), _stage_aliases),
}
"""The mappings that are merged key by key, with the aliases of their fields."""


def _merge_stages(
    base: list[dict[str, Any]], own: list[dict[str, Any]], where: str
) -> list[dict[str, Any]]:
    if len(own) != len(base):
        raise SpaceError(
            f"{where}: stages holds {len(own)} entries, the extended file {len(base)}; give one"
            " mapping each ({} keeps the stage)"
        )
    aliases = _stage_aliases()
    return [overlaid(theirs, ours, aliases) for theirs, ours in zip(base, own, strict=True)]
