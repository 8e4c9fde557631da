"""Plans made from other plans: with dimensions fixed to one value, or with fields overridden."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import replace

from mvt_nas._fields import Value
from mvt_nas.errors import SpaceError, listing, nearest
from mvt_nas.space.plan import (
    CappedValue,
    Choice,
    Constant,
    Derived,
    Dimension,
    FieldCase,
    Node,
    PathConditions,
    SpacePlan,
    without_stage,
)
from mvt_nas.space.reachability import pruned

_ORIGINAL = "{} before override"
"""Path under which the original of an overridden field stays in the plan."""


def fixed_values(plan: SpacePlan, choices: Mapping[str, object], where: str) -> dict[str, Value]:
    """Return the value of each fixed dimension by name, in the order of the plan.

    Args:
        plan: Plan of the space.
        choices: Values by the name of a dimension, or by a bare field name, which stands for that
            field of every stage. A full name takes precedence over a bare one.
        where: Beginning of error messages.

    Raises:
        SpaceError: There is no such dimension, or the value is not one of its values.
    """
    found: dict[str, Value] = {}
    # Bare names first, so that full names overwrite them.
    for name in sorted(choices, key=lambda name: "." in str(name)):
        for dimension in _named_dimensions(plan, str(name), where):
            found[dimension.name] = _value(dimension, choices[name], where)
    names = [dimension.name for dimension in plan.dimensions]
    return {name: found[name] for name in names if name in found}


def restricted(plan: SpacePlan, values: Mapping[str, Value]) -> SpacePlan:
    """Return the plan with some dimensions fixed, without dimensions that then have no effect.

    Args:
        plan: Plan of the space.
        values: Values by the names of the fixed dimensions.
    """

    def fixed(case: FieldCase) -> FieldCase:
        if isinstance(case.source, Choice) and case.source.dimension in values:
            return replace(case, source=Constant(values[case.source.dimension]))
        return case

    nodes = {
        path: replace(node, cases=tuple(map(fixed, node.cases)))
        for path, node in plan.nodes.items()
    }
    return pruned(replace(plan, nodes=nodes))


def overridden(
    plan: SpacePlan, constants: Mapping[str, Value], caps: Mapping[str, int]
) -> SpacePlan:
    """Return the plan with other values for some fields, and without rules.

    Conditions and factors still read the original values, so that no other field changes.

    Args:
        plan: Plan of the space.
        constants: New values by path; paths that the plan does not have are ignored.
        caps: Largest values by path, likewise.
    """
    changed = {path for path in (*constants, *caps) if path in plan.nodes}
    nodes = {path: _reading_originals(node, changed) for path, node in plan.nodes.items()}
    for path in changed:
        original = nodes[path]
        name = _ORIGINAL.format(path)
        nodes[name] = original
        source: Constant | CappedValue = CappedValue(name, caps.get(path, 0))
        if path in constants:
            source = Constant(constants[path])
        nodes[path] = replace(original, cases=(FieldCase((), source),))
    return replace(plan, nodes=nodes, rules=())


def _reading_originals(node: Node, changed: set[str]) -> Node:
    """Return a node that reads the originals of the changed fields."""

    def path(name: str) -> str:
        return _ORIGINAL.format(name) if name in changed else name

    def conditions(when: PathConditions) -> PathConditions:
        return tuple((path(name), allowed) for name, allowed in when)

    cases = []
    for case in node.cases:
        source = case.source
        if isinstance(source, Derived):
            source = replace(source, base=path(source.base))
        cases.append(replace(case, when=conditions(case.when), source=source))
    return replace(node, when=conditions(node.when), cases=tuple(cases))


def _named_dimensions(plan: SpacePlan, name: str, where: str) -> list[Dimension]:
    """Return the dimension of a name; for a bare field name, that of the field in every stage."""
    found = []
    for dimension in plan.dimensions:
        stage, _, field = dimension.name.partition(".")
        if dimension.name == name or (stage.startswith("stage") and field == name):
            found.append(dimension)
    if not found:
        names = [*plan.index, *without_stage(plan.index)]
        known = listing(without_stage(plan.index)) or "none"
        raise SpaceError(
            f"{where}: {name!r} is not a dimension{nearest(name, names)} (known: {known})"
        )
    return found


def _value(dimension: Dimension, value: object, where: str) -> Value:
    for known in dimension.values:
        # Python takes True for 1.
        if known == value and isinstance(known, bool) == isinstance(value, bool):
            return known
    raise SpaceError(
        f"{where}: {dimension.name} = {reprlib.repr(value)} is not one of its values"
        f" ({listing(dimension.values)})"
    )
