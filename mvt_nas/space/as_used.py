"""The same rows, read as other networks: those of a space as they are used elsewhere, such as on smaller pictures."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

from mvt_nas._fields import Value
from mvt_nas.space.plan import CappedValue, Constant, Derived, FieldCase, Node, SpacePlan, Where
from mvt_nas.space.search_space import SearchSpace

_GIVEN = "{} as given"


def space_as_used(
    space: SearchSpace, constants: Mapping[str, Value], caps: Mapping[str, int]
) -> SearchSpace:
    """Return a space whose rows stand for the architectures of ``space`` with some fields changed.

    It serves to decode rows and to count; it has no rules, and its size and canonical rows are not
    those of the changed networks.

    Args:
        space: whose rows are meant.
        constants: path of a field to its new value.
        caps: path of a field to the largest value that it keeps.
    """
    result = copy.copy(space)
    for name in ("hash", "counter", "_factors", "_lookup"):
        result.__dict__.pop(name, None)
    result.plan = _changed(space.plan, constants, caps)
    return result


def _changed(plan: SpacePlan, constants: Mapping[str, Value], caps: Mapping[str, int]) -> SpacePlan:
    """Return a plan with other values; what its conditions and factors read are the values as they were given."""
    changed = {path for path in (*constants, *caps) if path in plan.nodes}
    nodes = {path: _reading_given(node, changed) for path, node in plan.nodes.items()}
    for path in changed:
        given = nodes[path]
        source = (
            Constant(constants[path])
            if path in constants
            else CappedValue(_GIVEN.format(path), caps[path])
        )
        nodes[_GIVEN.format(path)] = given
        nodes[path] = replace(given, cases=(FieldCase((), source),))
    return replace(plan, nodes=nodes, rules=())


def _reading_given(node: Node, changed: set[str]) -> Node:
    def path(name: str) -> str:
        return _GIVEN.format(name) if name in changed else name

    def where(conditions: Where) -> Where:
        return tuple((path(name), allowed) for name, allowed in conditions)

    def case(one: FieldCase) -> FieldCase:
        source = one.source
        if isinstance(source, Derived):
            source = replace(source, base=path(source.base))
        return replace(one, when=where(one.when), source=source)

    return replace(node, when=where(node.when), cases=tuple(case(one) for one in node.cases))
