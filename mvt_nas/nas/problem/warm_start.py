"""Published models that a search evaluates first."""

from __future__ import annotations

from mvt_nas.errors import SpaceError
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows
from mvt_nas.space.published import published_names, zoo


def warm_start(feasibility: Feasibility) -> list[tuple[str, Rows]]:
    """Return name and row of each published model in the space that meets the budgets."""
    found: list[tuple[str, Rows]] = []
    for name in published_names():
        try:
            row = feasibility.space.encode(zoo(name))
        except SpaceError:
            continue
        if feasibility.mask(row[None])[0]:
            found.append((name, row))
    return found
