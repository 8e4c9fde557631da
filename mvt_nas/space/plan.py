"""The plan of a space: which dimension, constant, factor or default each field of an architecture comes from.

Paths name fields: ``resolution_px``, ``stem.width``, ``head.width``, ``stage3.dim``. A dimension
that stages share has the bare field name (``patch``) and feeds several paths.
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

Where = tuple[tuple[str, tuple[Value, ...]], ...]
"""Conditions that all have to hold: the path of a field, and the values that it may have. Empty:
always."""


def without_stage(paths: Iterable[str]) -> list[str]:
    """Return paths for a message, each field of the stages once and by its bare name."""
    return list(
        dict.fromkeys(
            path.partition(".")[2] if path.startswith("stage") else path for path in paths
        )
    )


@dataclass(frozen=True, slots=True)
class Dimension:
    """One choice of the space.

    Attributes:
        name: the path of the field, or the bare field name where stages share it.
        values: the choices; numbers in ascending order.
    """

    name: str
    values: tuple[Value, ...]

    @property
    def ordinal(self) -> bool:
        """Whether the choices are numbers, so that neighbours are alike."""
        return isinstance(self.values[0], int | float) and not isinstance(self.values[0], bool)


@dataclass(frozen=True, slots=True)
class Choice:
    """The value that a row's code chooses from a dimension."""

    dimension: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A value."""

    value: Value


@dataclass(frozen=True, slots=True)
class Derived:
    """The value that a factor gives together with its base.

    Attributes:
        target: path of the field that gets the value.
        factor: path of the factor.
        base: path of the field that it multiplies.
        alias: how they give the value.
    """

    target: str
    factor: str
    base: str
    alias: Alias


@dataclass(frozen=True, slots=True)
class CappedValue:
    """The value of another field, but at most so large.

    Attributes:
        base: path of the other field.
        most: the largest value.
    """

    base: str
    most: int


@dataclass(frozen=True, slots=True)
class FieldCase:
    """One way for a field to get its value.

    Attributes:
        when: the conditions under which it does.
        source: where the value then comes from.
        origin: the place in the file, for messages.
    """

    when: Where
    source: Choice | Constant | Derived | CappedValue
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """Where one field comes from.

    Attributes:
        path: its full name.
        spec: what it may hold.
        when: where the field is active.
        cases: the first that holds gives the value; the last one always holds.
    """

    path: str
    spec: FieldSpec
    when: Where
    cases: tuple[FieldCase, ...]

    @property
    def choice(self) -> tuple[Where, str] | None:
        """Where the field follows a dimension, and the dimension's name."""
        first = self.cases[0]
        return (first.when, first.source.dimension) if isinstance(first.source, Choice) else None

    def reads(self) -> Iterator[str]:
        """Yield the paths that decide its value and whether it is active."""
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
        nodes: by path, from the image to the head.
        dimensions: in the order in which the nodes meet them.
        rules: their names are paths.
        stages: number of stages.
    """

    nodes: Mapping[str, Node]
    dimensions: tuple[Dimension, ...]
    rules: tuple[Rule, ...]
    stages: int

    @cached_property
    def index(self) -> dict[str, int]:
        """The position of each dimension by its name."""
        return {dimension.name: index for index, dimension in enumerate(self.dimensions)}

    @cached_property
    def values(self) -> tuple[NDArray[Any], ...]:
        """The values of each dimension as an array."""
        return tuple(np.asarray(dimension.values) for dimension in self.dimensions)

    @cached_property
    def followers(self) -> tuple[tuple[Node, ...], ...]:
        """The nodes that follow each dimension."""
        found: list[list[Node]] = [[] for _ in self.dimensions]
        for node in self.nodes.values():
            if node.choice:
                found[self.index[node.choice[1]]].append(node)
        return tuple(map(tuple, found))

    @cached_property
    def factors(self) -> dict[str, Derived]:
        """What each factor serves to derive, by the factor's path."""
        sources = (case.source for node in self.nodes.values() for case in node.cases)
        return {source.factor: source for source in sources if isinstance(source, Derived)}

    @cached_property
    def depends(self) -> Mapping[str, frozenset[int]]:
        """For each path the dimensions on which its value or activity depends."""
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
        """Return whether each code of a dimension gives another network than the others, whatever the rest of the row."""
        return any(
            not node.when and not node.cases[0].when and node.path not in self.factors
            for node in self.followers[dimension]
        )

    def decides(self, dimension: int) -> frozenset[int]:
        """Return the dimensions that decide which codes of one have an effect of their own."""
        found: frozenset[int] = frozenset()
        for node in self.followers[dimension]:
            paths = [path for path, _ in (*node.when, *node.cases[0].when)]
            paths += [self.factors[node.path].base] if node.path in self.factors else []
            found = found.union(*(self.depends[path] for path in paths))
        return found
