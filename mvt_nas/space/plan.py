"""The plan of a space: the source of each field of its architectures.

A source is a dimension, a constant, or a factor of another field. Paths name fields:
``resolution_px``, ``stem.width``, ``head.width``, ``stage3.dim``. A dimension that stages share has
the bare field name (``patch``) and is the source of several paths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas._fields import Alias, FieldSpec, Value
from mvt_nas.space.rules import Rule

PathConditions = tuple[tuple[str, tuple[Value, ...]], ...]
"""Conditions that must all hold, each the path of a field and the values that it may have. Empty
conditions always hold."""


def without_stage(paths: Iterable[str]) -> list[str]:
    """Return distinct paths for a message, with the fields of stages by their bare names."""
    names = (path.partition(".")[2] if path.startswith("stage") else path for path in paths)
    return list(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Dimension:
    """One choice of the space.

    Attributes:
        name: Path of the field, or the bare field name where stages share it.
        values: The choices; numbers are in ascending order.
    """

    name: str
    values: tuple[Value, ...]

    @property
    def ordinal(self) -> bool:
        """Whether the choices are numbers, so that neighbouring codes are similar."""
        return isinstance(self.values[0], int | float) and not isinstance(self.values[0], bool)


@dataclass(frozen=True, slots=True)
class Choice:
    """The value that a row's code chooses from a dimension.

    Attributes:
        dimension: Name of the dimension.
    """

    dimension: str


@dataclass(frozen=True, slots=True)
class Constant:
    """One value for all rows."""

    value: Value


@dataclass(frozen=True, slots=True)
class Derived:
    """The value derived from a factor and its base.

    Attributes:
        target: Path of the field that gets the value.
        factor: Path of the factor.
        base: Path of the field that the factor multiplies.
        alias: Declaration of the factor, with the function that derives the value.
    """

    target: str
    factor: str
    base: str
    alias: Alias


@dataclass(frozen=True, slots=True)
class CappedValue:
    """The value of another field, limited from above.

    Attributes:
        base: Path of the other field.
        most: Largest value.
    """

    base: str
    most: int


@dataclass(frozen=True, slots=True)
class FieldCase:
    """A source of a field's value, under conditions.

    Attributes:
        when: Conditions of the case.
        source: Source of the value.
        origin: Place in the file, for messages; empty for defaults.
    """

    when: PathConditions
    source: Choice | Constant | Derived | CappedValue
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """The plan of one field.

    Attributes:
        path: Path of the field.
        spec: Declaration of the field.
        when: Conditions under which the field is active.
        cases: Sources of the value. The first case that holds gives it; the last one always holds.
    """

    path: str
    spec: FieldSpec
    when: PathConditions
    cases: tuple[FieldCase, ...]

    @property
    def choice(self) -> tuple[PathConditions, str] | None:
        """The conditions under which the field follows a dimension, and the dimension's name.

        ``None`` for a field that follows none. Only the first case can be a choice.
        """
        first = self.cases[0]
        return (first.when, first.source.dimension) if isinstance(first.source, Choice) else None

    def reads(self) -> Iterator[str]:
        """Yield the paths that decide the field's value and whether it is active."""
        yield from (path for path, _ in self.when)
        for case in self.cases:
            yield from (path for path, _ in case.when)
            if isinstance(case.source, Derived):
                yield from (case.source.factor, case.source.base)
            elif isinstance(case.source, CappedValue):
                yield case.source.base


@dataclass(frozen=True)
class SpacePlan:
    """All fields of the architectures of a space.

    Attributes:
        nodes: The fields by path, from the image to the head.
        dimensions: The dimensions, in the order of the first field that follows each.
        rules: The rules; the names in them are paths.
        stages: Number of stages.
    """

    nodes: Mapping[str, Node]
    dimensions: tuple[Dimension, ...]
    rules: tuple[Rule, ...]
    stages: int

    @cached_property
    def index(self) -> dict[str, int]:
        """Position of each dimension by its name."""
        return {dimension.name: index for index, dimension in enumerate(self.dimensions)}

    @cached_property
    def values(self) -> tuple[NDArray[Any], ...]:
        """Values of each dimension as an array."""
        return tuple(np.asarray(dimension.values) for dimension in self.dimensions)

    @cached_property
    def followers(self) -> tuple[tuple[Node, ...], ...]:
        """For each dimension the fields that may get their values from it."""
        found: list[list[Node]] = [[] for _ in self.dimensions]
        for node in self.nodes.values():
            if node.choice:
                found[self.index[node.choice[1]]].append(node)
        return tuple(map(tuple, found))

    @cached_property
    def factors(self) -> dict[str, Derived]:
        """For the path of each factor the value that is derived from it."""
        sources = (case.source for node in self.nodes.values() for case in node.cases)
        return {source.factor: source for source in sources if isinstance(source, Derived)}

    @cached_property
    def depends(self) -> Mapping[str, frozenset[int]]:
        """For each path the dimensions on which the field's value or activity depends."""
        found: dict[str, frozenset[int]] = {}

        def visit(path: str) -> frozenset[int]:
            if path not in found:
                node = self.nodes[path]
                own = frozenset({self.index[node.choice[1]]} if node.choice else ())
                found[path] = own.union(*(visit(read) for read in node.reads()))
            return found[path]

        for path in self.nodes:
            visit(path)
        return found

    def always_matters(self, dimension: int) -> bool:
        """Return True if two codes of a dimension always give different networks.

        Some field then follows the dimension in every row, and it is not a factor, which might be
        rounded.
        """
        return any(
            not node.when and not node.cases[0].when and node.path not in self.factors
            for node in self.followers[dimension]
        )

    def decides(self, dimension: int) -> frozenset[int]:
        """Return the dimensions that decide which codes of a dimension are canonical."""
        found: frozenset[int] = frozenset()
        for node in self.followers[dimension]:
            paths = [path for path, _ in (*node.when, *node.cases[0].when)]
            if node.path in self.factors:
                paths.append(self.factors[node.path].base)
            found = found.union(*(self.depends[path] for path in paths))
        return found
