"""The fields of many encoded rows at once.

A row holds one code (an index into the values) per dimension. :class:`Columns` evaluates only the fields that are asked for, each
once, for all rows together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.space.fields import Conditions, Value
from mvt_nas.space.plan import Node, Plan
from mvt_nas.space.rules import Rule

Rows = NDArray[np.integer[Any]]
"""Encoded architectures, (n, dimensions)."""

Mask = NDArray[np.bool_]


class Columns:
    """Lazily evaluated fields of encoded rows.

    Args:
        plan: of the space.
        rows: (n, dimensions).
    """

    def __init__(self, plan: Plan, rows: Rows) -> None:
        self._plan = plan
        self._rows = rows
        self._values: dict[str, NDArray[Any]] = {}
        self._active: dict[str, Mask] = {}

    def codes(self, dimension: int) -> NDArray[Any]:
        """Return the codes of one dimension, (n,)."""
        return self._rows[:, dimension]

    def value(self, path: str) -> NDArray[Any]:
        """Return the values of a field, (n,); meaningless where it is inactive."""
        if path not in self._values:
            self._values[path] = self._evaluate(self._plan.nodes[path])
        return self._values[path]

    def active(self, path: str) -> Mask:
        """Return where a field is active, (n,)."""
        if path not in self._active:
            self._active[path] = self._hold(self._plan.nodes[path].when)
        return self._active[path]

    def applies(self, path: str) -> Mask:
        """Return where a field is active and takes what the file says, so that its dimension has an effect."""
        return self.active(path) & self._hold(self._plan.nodes[path].applies)

    def obeys(self, rule: Rule) -> Mask:
        """Return where a rule holds; it holds where a field that it names is inactive."""
        result = np.broadcast_to(np.asarray(rule.holds(self.value), dtype=bool), len(self._rows)).copy()
        for name in rule.names:
            result |= ~self.active(name)
        return result

    def canonical(self) -> Rows:
        """Return the rows with every code that has no effect, or the same effect as a smaller one, made the smallest."""
        result = self._rows.copy()
        for index in range(len(self._plan.dimensions)):
            result[:, index] = self.canonical_codes(index)
        return result

    def canonical_codes(self, dimension: int) -> NDArray[Any]:
        """Return the canonical codes of one dimension, (n,)."""
        nodes = [node for node in self._plan.nodes.values() if node.dimension == dimension]
        matters = np.logical_or.reduce([self.applies(node.path) for node in nodes])
        codes = np.where(matters, self._rows[:, dimension], 0)
        consumers = [n for n in self._plan.nodes.values() if n.alias and n.alias[0] in {node.path for node in nodes}]
        return codes if not consumers else np.where(matters, self._smallest_alike(dimension, consumers), codes)

    def _smallest_alike(self, dimension: int, consumers: list[Node]) -> NDArray[Any]:
        """Return the smallest code whose factor derives the same values in all its consumers."""
        values = np.asarray(self._plan.dimensions[dimension].values)
        alike = np.ones((len(self._rows), len(values)), dtype=bool)
        for node in consumers:
            assert node.alias is not None
            base = self.value(node.alias[1])
            derived = np.stack([np.broadcast_to(node.alias[2].derive(np.full(len(base), v), base), len(base)) for v in values], axis=1)
            alike &= (derived == self.value(node.path)[:, None]) | ~self.active(node.path)[:, None]
        return alike.argmax(axis=1)

    def _evaluate(self, node: Node) -> NDArray[Any]:
        if node.dimension is not None:
            values = np.asarray(self._plan.dimensions[node.dimension].values)
            return self._under(node, values[self._rows[:, node.dimension]])
        if node.constant is not None:
            return self._under(node, self._full(node.constant))
        if node.alias is not None:
            factor, base, alias = node.alias
            return np.asarray(alias.derive(self.value(factor), self.value(base)))
        return self._default(node)

    def _under(self, node: Node, values: NDArray[Any]) -> NDArray[Any]:
        """Return ``values`` where the entry's condition holds, elsewhere what it names otherwise."""
        if not node.applies:
            return values
        other = self._default(node) if node.otherwise is None else self._full(node.otherwise)
        return np.where(self._hold(node.applies), values, other)

    def _default(self, node: Node) -> NDArray[Any]:
        cases = [(conditions, self._full(value)) for conditions, value in node.defaults]
        if len(cases) == 1:
            return cases[0][1]
        return np.select([self._hold(c) for c, _ in cases[:-1]], [v for _, v in cases[:-1]], default=cases[-1][1])

    def _full(self, value: Value) -> NDArray[Any]:
        return np.full(len(self._rows), value)

    def _hold(self, conditions: Conditions) -> Mask:
        result = np.ones(len(self._rows), dtype=bool)
        for path, allowed in conditions.items():
            values = self.value(path)
            result &= self.active(path) & np.logical_or.reduce([values == value for value in allowed])
        return result


def dependencies(plan: Plan) -> Mapping[str, frozenset[int]]:
    """Return for each path the dimensions on which its value or activity depends."""
    found: dict[str, frozenset[int]] = {}

    def visit(path: str) -> frozenset[int]:
        if path not in found:
            node = plan.nodes[path]
            reads = [*node.when, *node.applies, *(p for conditions, _ in node.defaults for p in conditions)]
            reads += list(node.alias[:2]) if node.alias else []
            own = frozenset() if node.dimension is None else frozenset({node.dimension})
            found[path] = own.union(*(visit(read) for read in reads))
        return found[path]

    for path in plan.nodes:
        visit(path)
    return found
