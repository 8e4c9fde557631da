"""Truth tables of the valid rows of a space.

A row is valid if it obeys each rule and each of its codes is canonical.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from mvt_nas._typing import BoolArray
from mvt_nas.errors import SpaceError
from mvt_nas.space.columns import Columns, Rows
from mvt_nas.space.counting import LARGEST_TABLE, ConstraintFactor, RowCounter
from mvt_nas.space.plan import SpacePlan
from mvt_nas.space.rules import Rule

_MOST_ENTRIES = 20_000_000
"""Largest number of entries of all tables together."""

_SEARCHED_ENTRIES = 50_000_000
"""Work of the search for conflicting rules, in entries of tables."""

_MOST_NAMED = 8
"""Largest number of conflicting rules in a message."""


def factors_of(plan: SpacePlan, where: str) -> list[ConstraintFactor]:
    """Return the truth tables of a plan: one for each rule, and one for each dimension.

    The table of a dimension says where its code is canonical; those whose codes always are have no
    table.

    Args:
        plan: Plan of the space.
        where: Beginning of error messages.

    Raises:
        SpaceError: The rules and conditions tie more dimensions together than can be tabulated.
    """
    sources = []
    for rule in plan.rules:
        sources.append((_reads(plan, rule), rule.text, f"the rule {rule.text!r}", _obeys(rule)))
    for index, dimension in enumerate(plan.dimensions):
        if not plan.always_matters(index):
            variables = plan.decides(index) | {index}
            sources.append((variables, "", dimension.name, _is_canonical(index)))
    found = []
    entries = 0
    for reads, text, noun, allowed in sources:
        size = prod(len(plan.dimensions[variable].values) for variable in reads)
        entries += size
        if size > LARGEST_TABLE or entries > _MOST_ENTRIES:
            most = f"at most {LARGEST_TABLE} each and {_MOST_ENTRIES} together"
            raise SpaceError(
                f"{where}: {noun} ties {len(reads)} dimensions together: {size} combinations of"
                f" {entries} so far; {most}"
            )
        found.append(_factor(plan, tuple(sorted(reads)), text, allowed))
    return found


def conflicting_rules(plan: SpacePlan, factors: list[ConstraintFactor]) -> list[str]:
    """Return the texts of a few rules that contradict each other.

    Rules are left out one by one as long as the others still contradict each other. Where this
    would take too long, some of the rules that are named may not be needed.
    """
    sizes = [len(dimension.values) for dimension in plan.dimensions]
    kept = [factor for factor in factors if factor.text]
    others = [factor for factor in factors if not factor.text]
    for factor in kept[: _SEARCHED_ENTRIES // sum(factor.table.size for factor in factors)]:
        fewer = [other for other in kept if other is not factor]
        if not RowCounter(sizes, fewer + others).size:
            kept = fewer
    return list(dict.fromkeys(factor.text for factor in kept))[:_MOST_NAMED]


def combinations(plan: SpacePlan, dimensions: tuple[int, ...]) -> Rows:
    """Return all combinations of the codes of some dimensions, (combinations, dimensions).

    They are in row-major order: the last dimension varies fastest.
    """
    sizes = [len(plan.dimensions[dimension].values) for dimension in dimensions]
    return np.indices(sizes, dtype=np.int32).reshape(len(sizes), prod(sizes)).T


def _factor(
    plan: SpacePlan, variables: tuple[int, ...], text: str, allowed: Callable[[Columns], BoolArray]
) -> ConstraintFactor:
    """Return the table of a condition over all combinations of some dimensions."""
    sizes = [len(plan.dimensions[variable].values) for variable in variables]
    columns = Columns(plan, combinations(plan, variables), variables)
    return ConstraintFactor(variables, allowed(columns).reshape(sizes), text)


def _reads(plan: SpacePlan, rule: Rule) -> frozenset[int]:
    """Return the dimensions that decide whether a rule holds."""
    return frozenset().union(*(plan.depends[name] for name in rule.names))


def _obeys(rule: Rule) -> Callable[[Columns], BoolArray]:
    return lambda columns: columns.obeys(rule)


def _is_canonical(index: int) -> Callable[[Columns], BoolArray]:
    return lambda columns: columns.is_canonical(index)
