"""Which values a field can take at all, whatever the rules say, and so which cases of a plan can hold.

A condition that can never hold is a mistake in a file, but the natural outcome of fixing the field
that it names. So a file is checked before anything is fixed, and cases and dimensions without
effect are dropped after.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mvt_nas._fields import Value
from mvt_nas.errors import SpaceError, listing
from mvt_nas.space.plan import (
    CappedValue,
    Choice,
    Constant,
    Derived,
    Dimension,
    FieldCase,
    Node,
    SpacePlan,
    Where,
)

_DEEPEST = 40

Values = frozenset[Value] | None
"""What a field can hold; ``None`` where that is not followed up, since it is derived."""


class Reach:
    """The possible values of the fields of a plan.

    Args:
        plan: its conditions must not go round in a circle.
    """

    def __init__(self, plan: SpacePlan) -> None:
        self._nodes = plan.nodes
        self._dimensions = {dimension.name: dimension for dimension in plan.dimensions}
        self._values: dict[str, Values] = {}

    def can_hold(self, when: Where) -> bool:
        """Return whether conditions can all hold, looked at one by one."""
        return all(self._can(path, allowed) for path, allowed in when)

    def values(self, path: str) -> Values:
        """Return what a field can hold where it is active."""
        if path not in self._values:
            self._values[path] = self._union(
                [case for case in self._nodes[path].cases if self.can_hold(case.when)]
            )
        return self._values[path]

    def _can(self, path: str, allowed: tuple[Value, ...]) -> bool:
        values = self.values(path)
        return self.can_hold(self._nodes[path].when) and (
            values is None or not values.isdisjoint(allowed)
        )

    def _union(self, cases: list[FieldCase]) -> Values:
        found: set[Value] = set()
        for source in (case.source for case in cases):
            if isinstance(source, Derived | CappedValue):
                return None
            found |= (
                set(self._dimensions[source.dimension].values)
                if isinstance(source, Choice)
                else {source.value}
            )
        return frozenset(found)


def check_reach(plan: SpacePlan) -> None:
    """Refuse conditions that go round in a circle or can never hold, and factors that lead too far.

    Raises:
        SpaceError: the first such place in the file.
    """
    _refuse_circles(plan.nodes)
    reach = Reach(plan)
    stated = [
        (node, case)
        for node in plan.nodes.values()
        for case in node.cases
        if case.origin and case.when
    ]
    alive = {case.origin for _, case in stated if reach.can_hold(case.when)}
    for _, case in stated:
        if case.origin not in alive:
            path, allowed = next(
                (path, allowed)
                for path, allowed in case.when
                if not reach.can_hold(((path, allowed),))
            )
            found = listing(sorted(reach.values(path) or (), key=str))
            raise SpaceError(
                f"{case.origin}: the condition that {path} is {listing(allowed)} can never hold; it"
                f" is one of {found}"
            )
    for node in plan.nodes.values():
        _refuse_far(node, reach, plan.nodes)


def pruned(plan: SpacePlan) -> SpacePlan:
    """Return the plan without cases that cannot hold, and without dimensions that then have no effect."""
    reach = Reach(plan)
    dimensions = {dimension.name: dimension for dimension in plan.dimensions}
    nodes = {path: _pruned_node(node, reach, dimensions) for path, node in plan.nodes.items()}
    used = {node.choice[1] for node in nodes.values() if node.choice}
    return replace(
        plan,
        nodes=nodes,
        dimensions=tuple(dimension for dimension in plan.dimensions if dimension.name in used),
    )


def _pruned_node(node: Node, reach: Reach, dimensions: Mapping[str, Dimension]) -> Node:
    cases = tuple(case for case in node.cases if reach.can_hold(case.when))
    if not reach.can_hold(node.when) and isinstance(cases[0].source, Choice):
        cases = (FieldCase((), Constant(dimensions[cases[0].source.dimension].values[0])),)
    return replace(node, cases=cases)


def _refuse_circles(nodes: Mapping[str, Node]) -> None:
    """Refuse conditions that build on themselves, or on each other in longer chains than a person would write."""
    depths: dict[str, int] = {}

    def depth(path: str, behind: tuple[str, ...]) -> int:
        if path in behind:
            circle = behind[behind.index(path) :]
            raise SpaceError(
                f"{_origin(nodes, circle)}: the conditions go round in a circle"
                f" ({' -> '.join((*circle, path))})"
            )
        if path not in depths:
            depths[path] = 1 + max(
                (depth(read, (*behind, path)) for read in nodes[path].reads()), default=0
            )
        if depths[path] > _DEEPEST or len(behind) > _DEEPEST:
            raise SpaceError(
                f"{_origin(nodes, (*behind, path))}: more than {_DEEPEST} conditions build on each"
                " other"
            )
        return depths[path]

    for path in nodes:
        depth(path, ())


def _origin(nodes: Mapping[str, Node], paths: tuple[str, ...]) -> str:
    """Return the first place in the file that puts one of the fields under a condition."""
    return next(
        case.origin for path in paths for case in nodes[path].cases if case.when and case.origin
    )


def _refuse_far(node: Node, reach: Reach, nodes: Mapping[str, Node]) -> None:
    """Refuse a factor that can derive more than the field may hold."""
    for source in (case.source for case in node.cases):
        if isinstance(source, Derived):
            factor, base = (_largest(path, reach, nodes) for path in (source.factor, source.base))
            largest = int(source.alias.derive(factor, base))
            if node.spec.high is not None and largest > node.spec.high:
                stated = f"{source.factor} = {factor:g} and {source.base} = {base:g}"
                origin = nodes[source.factor].cases[0].origin
                raise SpaceError(
                    f"{origin}: {stated} make {node.path} = {largest}, which is not allowed;"
                    f" {node.spec.allowed()}"
                )


def _largest(path: str, reach: Reach, nodes: Mapping[str, Node]) -> float:
    numbers = [value for value in reach.values(path) or () if isinstance(value, int | float)]
    return max(numbers, default=nodes[path].spec.high or 0)
