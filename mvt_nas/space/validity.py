"""What makes a row of a space valid, as truth tables: it obeys each rule, and each of its codes is canonical."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from mvt_nas.errors import SpaceError
from mvt_nas.space.columns import Columns, Mask, Rows
from mvt_nas.space.counting import LARGEST_TABLE, ConstraintFactor, RowCounter
from mvt_nas.space.plan import SpacePlan
from mvt_nas.space.rules import Rule

_MOST_ENTRIES = 20_000_000
_BLAME_ENTRIES = 50_000_000
_MOST_NAMED = 8


def factors_of(plan: SpacePlan, where: str) -> list[ConstraintFactor]:
    """Return the truth tables of a plan: each rule, and for each dimension that its code is canonical.

    Raises:
        SpaceError: the rules and conditions tie more dimensions together than can be tabulated;
            ``where`` begins the message.
    """
    sources = [
        (_reads(plan, rule), rule.text, f"the rule {rule.text!r}", _obeys(rule))
        for rule in plan.rules
    ]
    for index, dimension in enumerate(plan.dimensions):
        if not plan.always_matters(index):
            sources.append(
                (plan.decides(index) | {index}, "", dimension.name, _is_canonical(index))
            )
    found, entries = [], 0
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


def culprits(plan: SpacePlan, factors: list[ConstraintFactor]) -> list[str]:
    """Return the texts of a few rules that contradict each other; of a small space, none of them could be spared."""
    sizes = [len(dimension.values) for dimension in plan.dimensions]
    kept = [factor for factor in factors if factor.text]
    others = [factor for factor in factors if not factor.text]
    for factor in kept[: _BLAME_ENTRIES // sum(factor.table.size for factor in factors)]:
        fewer = [other for other in kept if other is not factor]
        if not RowCounter(sizes, fewer + others).size:
            kept = fewer
    return list(dict.fromkeys(factor.text for factor in kept))[:_MOST_NAMED]


def combinations(plan: SpacePlan, dimensions: tuple[int, ...]) -> Rows:
    """Return one row for each combination of the codes of some dimensions, (combinations, dimensions)."""
    sizes = [len(plan.dimensions[dimension].values) for dimension in dimensions]
    return np.indices(sizes, dtype=np.int32).reshape(len(sizes), prod(sizes)).T


def _factor(
    plan: SpacePlan, variables: tuple[int, ...], text: str, allowed: Callable[[Columns], Mask]
) -> ConstraintFactor:
    sizes = [len(plan.dimensions[variable].values) for variable in variables]
    return ConstraintFactor(
        variables,
        allowed(Columns(plan, combinations(plan, variables), variables)).reshape(sizes),
        text,
    )


def _reads(plan: SpacePlan, rule: Rule) -> frozenset[int]:
    return frozenset().union(*(plan.depends[name] for name in rule.names))


def _obeys(rule: Rule) -> Callable[[Columns], Mask]:
    return lambda columns: columns.obeys(rule)


def _is_canonical(index: int) -> Callable[[Columns], Mask]:
    return lambda columns: columns.is_canonical(index)
