"""Reading a search-space file: YAML in, plain checked data out, with one clear line for whatever is wrong.

Only the safe loader is used; size, nesting and repetition are limited before anything is built from the file. ``extends`` takes
another file's content as a start, ``defaults`` gives fields to all stages.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from mvt_nas.errors import SpaceError, listing, nearest

FORMAT = 1
"""Version of the file format."""

KEYS = ("format", "name", "description", "extends", "resolution_px", "stem", "head", "shared", "defaults", "stages", "rules", "fix")
_LARGEST_BYTES = 256_000
_MOST_NODES = 20_000
_MOST_STAGES = 16


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's loader where it was built
    """The safe loader, which refuses a key that is given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key != "<<" and key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        result: dict[Any, Any] = super().construct_mapping(node, deep)
        return result


def read_document(path: Path, inside: tuple[Path, ...] = ()) -> dict[str, Any]:
    """Return the content of a space file with ``extends`` and ``defaults`` applied.

    Raises:
        SpaceError: the file cannot be read, is no YAML mapping of the known keys, or extends itself.
    """
    if path.resolve() in inside:
        raise SpaceError(f"{path}: extends itself (by way of {listing(p.name for p in inside)})")
    data = _parse(_text(path), str(path))
    if data.get("format", FORMAT) != FORMAT:
        raise SpaceError(f"{path}: format = {data['format']!r} is not known; this version reads {FORMAT}")
    if "extends" not in data:
        return data
    parent = data.pop("extends")
    if not isinstance(parent, str):
        raise SpaceError(f"{path}: extends = {parent!r} is not allowed; the name of a file beside this one")
    base = read_document(path.parent / parent, (*inside, path.resolve()))
    return _merge(base, data, str(path))


def _text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > _LARGEST_BYTES:
            raise SpaceError(f"{path}: {size} bytes; a search space has at most {_LARGEST_BYTES}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpaceError(f"{path}: cannot be read ({error})") from None


def _parse(text: str, where: str) -> dict[str, Any]:
    try:
        data = yaml.load(text, Loader=_Loader)  # noqa: S506  # a safe loader, see above
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise SpaceError(f"{where}: not valid YAML{line} ({getattr(error, 'problem', None) or error})".replace("\n", " ")) from None
    except (RecursionError, ValueError, TypeError) as error:
        raise SpaceError(f"{where}: not valid YAML ({type(error).__name__}: {error})") from None
    _limit(data, where)
    return check_document(data, where)


def check_document(data: object, where: str) -> dict[str, Any]:
    """Return ``data`` when it is a mapping of the known keys to values of the right shape.

    Raises:
        SpaceError: it is not; ``where`` begins the message.
    """
    if not isinstance(data, dict):
        raise SpaceError(f"{where}: a mapping with the keys {listing(KEYS)} is expected, not {type(data).__name__}")
    for key in data:
        if key not in KEYS:
            raise SpaceError(f"{where}: unknown key {key!r}{nearest(str(key), KEYS)} (known: {listing(KEYS)})")
    for key in ("stem", "head", "shared", "defaults", "fix"):
        _expect(data, key, dict, where)
    for key in ("stages", "rules"):
        _expect(data, key, list, where)
    for key in ("name", "description"):
        _expect(data, key, str, where)
    if len(data.get("stages", [])) > _MOST_STAGES:
        raise SpaceError(f"{where}: stages holds {len(data['stages'])} entries; at most {_MOST_STAGES}")
    for index, stage in enumerate(data.get("stages", [])):
        if not isinstance(stage, dict):
            raise SpaceError(f"{where}: stages[{index}] = {stage!r} is not allowed; a mapping of fields")
    return dict(data)


def _expect(data: Mapping[str, Any], key: str, kind: type, where: str) -> None:
    if key in data and not isinstance(data[key], kind):
        noun = {dict: "a mapping", list: "a list", str: "a text"}[kind]
        raise SpaceError(f"{where}: {key} = {str(data[key])[:80]!r} is not allowed; {noun} is expected")


def _limit(data: object, where: str) -> None:
    """Refuse a document that unfolds (by aliases of aliases) into more than a person would write."""
    stack, nodes = [data], 0
    while stack:
        nodes += 1
        if nodes > _MOST_NODES:
            raise SpaceError(f"{where}: unfolds into more than {_MOST_NODES} values; aliases repeat too much")
        value = stack.pop()
        if isinstance(value, dict):
            stack += [*value, *value.values()]
        elif isinstance(value, list | tuple | set):
            stack += list(value)


def _merge(base: dict[str, Any], own: dict[str, Any], where: str) -> dict[str, Any]:
    """Return ``base`` with ``own`` on top: mappings key by key, rules appended, stages by position, the rest replaced."""
    merged = dict(base)
    for key, value in own.items():
        if key in ("stem", "head", "shared", "defaults", "fix"):
            merged[key] = base.get(key, {}) | value
        elif key == "rules":
            merged[key] = [*base.get(key, []), *value]
        elif key == "stages" and "stages" in base:
            merged[key] = _merge_stages(base["stages"], value, where)
        else:
            merged[key] = value
    return merged


def _merge_stages(base: list[dict[str, Any]], own: list[dict[str, Any]], where: str) -> list[dict[str, Any]]:
    if len(own) != len(base):
        raise SpaceError(f"{where}: stages holds {len(own)} entries, the extended file {len(base)}; give one mapping each ({{}} keeps it)")
    return [theirs | ours for theirs, ours in zip(base, own, strict=True)]
