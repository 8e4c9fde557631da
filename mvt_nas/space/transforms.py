"""Fixing dimensions of a space: the same plan with one value where there were several."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import replace

from mvt_nas._fields import Value
from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.space.plan import Choice, Constant, Dimension, FieldCase, SpacePlan, without_stage
from mvt_nas.space.reachability import pruned


def fixed_values(plan: SpacePlan, choices: Mapping[str, object], where: str) -> dict[str, Value]:
    """Return for each chosen dimension, in the plan's order, its value; a full name wins over a bare one.

    Raises:
        SpaceError: no such dimension, or not one of its values; ``where`` begins the message.
    """
    found: dict[str, Value] = {}
    for name in sorted(choices, key=lambda name: "." in str(name)):
        for dimension in _named(plan, str(name), where):
            found[dimension.name] = _value(dimension, choices[name], where)
    return {
        dimension.name: found[dimension.name]
        for dimension in plan.dimensions
        if dimension.name in found
    }


def restricted(plan: SpacePlan, values: Mapping[str, Value]) -> SpacePlan:
    """Return the plan in which some dimensions, by name, have one value, and those without effect are gone."""

    def fixed(case: FieldCase) -> FieldCase:
        fixes = isinstance(case.source, Choice) and case.source.dimension in values
        return replace(case, source=Constant(values[case.source.dimension])) if fixes else case  # type: ignore[union-attr]

    nodes = {
        path: replace(node, cases=tuple(map(fixed, node.cases)))
        for path, node in plan.nodes.items()
    }
    return pruned(replace(plan, nodes=nodes))


def _named(plan: SpacePlan, name: str, where: str) -> list[Dimension]:
    """Return the dimension of that name, and where it is a bare one, that field of every stage."""
    found = [
        d
        for d in plan.dimensions
        if d.name == name or (d.name.startswith("stage") and d.name.partition(".")[2] == name)
    ]
    if not found:
        known = listing(without_stage(plan.index)) or "none"
        raise SpaceError(
            f"{where}: {name!r} is no"
            f" dimension{nearest(name, [*plan.index, *without_stage(plan.index)])} (known: {known})"
        )
    return found


def _value(dimension: Dimension, value: object, where: str) -> Value:
    for known in dimension.values:
        if known == value and isinstance(known, bool) == isinstance(value, bool):
            return known
    raise SpaceError(
        f"{where}: {dimension.name} = {reprlib.repr(value)} is not one of its values"
        f" ({listing(dimension.values)})"
    )
