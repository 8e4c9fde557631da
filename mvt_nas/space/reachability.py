"""Possible values of the fields of a plan without regard to rules, and the cases that can hold.

A condition that can never hold is a mistake in a file, but a natural result of fixing the field
that it names. So a file is checked before anything is fixed, and cases and dimensions without
effect are dropped afterwards.
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
    PathConditions,
    SpacePlan,
)

_DEEPEST = 40
"""Longest chain of conditions, far below Python's limit of recursion."""

PossibleValues = frozenset[Value] | None
"""The values that a field can have; ``None`` where they are derived and hence not known here."""


class Reachability:
    """The possible values of the fields of a plan.

    Each condition is looked at by itself, so the result is an upper bound: a value that is possible
    here may still not occur.

    Args:
        plan: Plan whose conditions form no cycle.
    """

    def __init__(self, plan: SpacePlan) -> None:
        self._nodes = plan.nodes
        self._dimensions = {dimension.name: dimension for dimension in plan.dimensions}
        self._values: dict[str, PossibleValues] = {}

    def can_hold(self, when: PathConditions) -> bool:
        """Return True if each of some conditions can hold."""
        return all(self._can(path, allowed) for path, allowed in when)

    def values(self, path: str) -> PossibleValues:
        """Return the values that a field can have where it is active."""
        if path not in self._values:
            cases = [case for case in self._nodes[path].cases if self.can_hold(case.when)]
            self._values[path] = self._union(cases)
        return self._values[path]

    def _can(self, path: str, allowed: tuple[Value, ...]) -> bool:
        values = self.values(path)
        return self.can_hold(self._nodes[path].when) and (
            values is None or not values.isdisjoint(allowed)
        )

    def _union(self, cases: list[FieldCase]) -> PossibleValues:
        found: set[Value] = set()
        for source in (case.source for case in cases):
            if isinstance(source, Derived | CappedValue):
                return None
            if isinstance(source, Choice):
                found.update(self._dimensions[source.dimension].values)
            else:
                found.add(source.value)
        return frozenset(found)


def check_reachability(plan: SpacePlan) -> None:
    """Refuse cycles of conditions, conditions that never hold, and factors that derive too much.

    Raises:
        SpaceError: The message names the first such place in the file.
    """
    _refuse_cycles(plan.nodes)
    reachability = Reachability(plan)
    _refuse_dead_conditions(plan.nodes, reachability)
    for node in plan.nodes.values():
        _refuse_too_large(node, reachability, plan.nodes)


def pruned(plan: SpacePlan) -> SpacePlan:
    """Return the plan without cases that cannot hold and without dimensions that have no effect."""
    reachability = Reachability(plan)
    dimensions = {dimension.name: dimension for dimension in plan.dimensions}
    nodes = {
        path: _pruned_node(node, reachability, dimensions) for path, node in plan.nodes.items()
    }
    used = {node.choice[1] for node in nodes.values() if node.choice}
    kept = tuple(dimension for dimension in plan.dimensions if dimension.name in used)
    return replace(plan, nodes=nodes, dimensions=kept)


def _pruned_node(
    node: Node, reachability: Reachability, dimensions: Mapping[str, Dimension]
) -> Node:
    cases = tuple(case for case in node.cases if reachability.can_hold(case.when))
    first = cases[0].source
    if not reachability.can_hold(node.when) and isinstance(first, Choice):
        # The field is never active, so its dimension has no effect on it.
        cases = (FieldCase((), Constant(dimensions[first.dimension].values[0])),)
    return replace(node, cases=cases)


def _refuse_dead_conditions(nodes: Mapping[str, Node], reachability: Reachability) -> None:
    """Refuse an entry of the file whose conditions can never hold."""
    stated = [case for node in nodes.values() for case in node.cases if case.origin and case.when]
    # An entry for all stages becomes a case of each; it is enough if one of them can hold.
    alive = {case.origin for case in stated if reachability.can_hold(case.when)}
    for case in stated:
        if case.origin in alive:
            continue
        for path, allowed in case.when:
            if not reachability.can_hold(((path, allowed),)):
                found = listing(sorted(reachability.values(path) or (), key=str))
                raise SpaceError(
                    f"{case.origin}: the condition that {path} is {listing(allowed)} can never"
                    f" hold; it is one of {found}"
                )


def _refuse_cycles(nodes: Mapping[str, Node]) -> None:
    """Refuse cycles of conditions, and chains of them longer than :data:`_DEEPEST`."""
    depths: dict[str, int] = {}

    def depth(path: str, behind: tuple[str, ...]) -> int:
        """Return the length of the longest chain from a field; ``behind`` is the way to it."""
        if path in behind:
            cycle = behind[behind.index(path) :]
            raise SpaceError(
                f"{_origin(nodes, cycle)}: the conditions form a cycle"
                f" ({' -> '.join((*cycle, path))})"
            )
        if path not in depths:
            longest = 0
            for read in nodes[path].reads():
                longest = max(longest, depth(read, (*behind, path)))
            depths[path] = 1 + longest
        # The way is checked as well, so that the recursion itself stays shallow.
        if depths[path] > _DEEPEST or len(behind) > _DEEPEST:
            raise SpaceError(
                f"{_origin(nodes, (*behind, path))}: more than {_DEEPEST} conditions depend on each"
                " other"
            )
        return depths[path]

    for path in nodes:
        depth(path, ())


def _origin(nodes: Mapping[str, Node], paths: tuple[str, ...]) -> str:
    """Return the first place in the file with a condition on one of the fields."""
    return next(
        case.origin for path in paths for case in nodes[path].cases if case.when and case.origin
    )


def _refuse_too_large(node: Node, reachability: Reachability, nodes: Mapping[str, Node]) -> None:
    """Refuse a factor that can derive a larger value than the field allows."""
    for source in (case.source for case in node.cases):
        if not isinstance(source, Derived):
            continue
        # A derived value never falls when its factor or base rises.
        factor = _largest(source.factor, reachability, nodes)
        base = _largest(source.base, reachability, nodes)
        largest = int(source.alias.derive(factor, base))
        if node.spec.high is not None and largest > node.spec.high:
            origin = nodes[source.factor].cases[0].origin
            raise SpaceError(
                f"{origin}: {source.factor} = {factor:g} and {source.base} = {base:g} give"
                f" {node.path} = {largest}, which is not allowed; {node.spec.allowed()}"
            )


def _largest(path: str, reachability: Reachability, nodes: Mapping[str, Node]) -> float:
    """Return the largest possible value of a field, or the largest allowed one if not known."""
    possible = reachability.values(path) or ()
    numbers = [value for value in possible if isinstance(value, int | float)]
    return max(numbers, default=nodes[path].spec.high or 0)
