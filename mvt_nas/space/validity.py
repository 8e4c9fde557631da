"""What makes a row of a space valid, as truth tables: it obeys each rule, and each of its codes is canonical."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from mvt_nas.errors import SpaceError
from mvt_nas.space.columns import Columns, Mask, Rows
from mvt_nas.space.counting import LARGEST_TABLE, Counter, Factor
from mvt_nas.space.plan import Plan
from mvt_nas.space.rules import Rule


def factors_of(plan: Plan, where: str) -> list[Factor]:
    """Return the truth tables of a plan: each rule, and for each dimension that its code is canonical.

    Raises:
        SpaceError: a rule or condition ties more dimensions together than can be tabulated; ``where`` begins the message.
    """
    found = [_rule_factor(plan, rule, where) for rule in plan.rules]
    for index, dimension in enumerate(plan.dimensions):
        decides = plan.decides(index)
        if decides:
            found.append(_factor(plan, decides | {index}, "", f"{where}: {dimension.name}", _is_canonical(index)))
    return found


def culprits(plan: Plan, factors: list[Factor]) -> list[str]:
    """Return the texts of a few rules that contradict each other, none of which could be spared."""
    sizes = [len(dimension.values) for dimension in plan.dimensions]
    kept = [factor for factor in factors if factor.text]
    others = [factor for factor in factors if not factor.text]
    for factor in list(kept):
        fewer = [other for other in kept if other is not factor]
        if not Counter(sizes, fewer + others).size:
            kept = fewer
    return list(dict.fromkeys(factor.text for factor in kept))


def combinations(plan: Plan, dimensions: tuple[int, ...]) -> Rows:
    """Return one row for each combination of the codes of some dimensions, (combinations, dimensions)."""
    sizes = [len(plan.dimensions[dimension].values) for dimension in dimensions]
    return np.indices(sizes, dtype=np.int32).reshape(len(sizes), prod(sizes)).T


def _rule_factor(plan: Plan, rule: Rule, where: str) -> Factor:
    reads: frozenset[int] = frozenset().union(*(plan.depends[name] for name in rule.names))
    for name in rule.names:
        node = plan.nodes[name]
        if name in plan.factors and node.choice:
            reads |= plan.decides(plan.index[node.choice[1]])
    return _factor(plan, reads, rule.text, f"{where}: the rule {rule.text!r}", lambda columns: columns.obeys(rule))


def _is_canonical(index: int) -> Callable[[Columns], Mask]:
    return lambda columns: columns.canonical_codes(index) == columns.codes(index)


def _factor(plan: Plan, reads: frozenset[int], text: str, where: str, allowed: Callable[[Columns], Mask]) -> Factor:
    variables = tuple(sorted(reads))
    sizes = [len(plan.dimensions[variable].values) for variable in variables]
    if prod(sizes) > LARGEST_TABLE:
        raise SpaceError(f"{where} ties {len(sizes)} dimensions together: {prod(sizes)} combinations; at most {LARGEST_TABLE}")
    return Factor(variables, allowed(Columns(plan, combinations(plan, variables), variables)).reshape(sizes), text)
