"""Fixing dimensions of a space: the same document with one value where there were several."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.space.plan import Dimension, Plan


def restrict(document: Mapping[str, Any], plan: Plan, choices: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the document with each chosen dimension at one value.

    Raises:
        SpaceError: no such dimension, or not one of its values; ``where`` begins the message.
    """
    result = copy.deepcopy(dict(document))
    for name, value in choices.items():
        for dimension in _named(plan, name, where):
            chosen = _value(dimension, value, where)
            _set(result, dimension.name, chosen)
    return result


def _named(plan: Plan, name: str, where: str) -> list[Dimension]:
    found = [d for d in plan.dimensions if d.name == name or d.name.rpartition(".")[2] == name]
    if not found:
        known = [dimension.name for dimension in plan.dimensions]
        raise SpaceError(f"{where}: {name!r} is no dimension{nearest(name, known)} (known: {listing(known)})")
    return [d for d in found if d.name == name] or found


def _value(dimension: Dimension, value: object, where: str) -> Any:
    for known in dimension.values:
        if known == value and isinstance(known, bool) == isinstance(value, bool):
            return known
    raise SpaceError(f"{where}: {dimension.name} = {value!r} is not one of its values ({listing(dimension.values)})")


def _set(document: dict[str, Any], name: str, value: Any) -> None:
    """Put ``value`` where the dimension's entry stands; its conditions stay."""
    scope, _, field = name.rpartition(".")
    if scope.startswith("stage"):
        stage = document["stages"][int(scope.removeprefix("stage")) - 1]
        entry = stage.get(field, document.get("defaults", {}).get(field))
        stage[field] = _fixed(entry, value)
    elif scope:
        document[scope][field] = _fixed(document[scope][field], value)
    else:
        holder = document["shared"] if field in document.get("shared", {}) else document
        holder[field] = _fixed(holder[field], value)


def _fixed(entry: Any, value: Any) -> Any:
    if isinstance(entry, Mapping) and "when" in entry:
        return {"values": [value]} | {key: entry[key] for key in ("when", "otherwise") if key in entry}
    return value
