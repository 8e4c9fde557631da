"""Fixtures of the tables of trained networks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mvt_nas.accuracy import table_builder as bench
from mvt_nas.accuracy.design import PlannedNetwork, plan_networks
from mvt_nas.space.search_space import SearchSpace


@pytest.fixture(scope="module")
def planned_once() -> Iterator[None]:
    """Plan equal tables once; that a plan is the same each time is tested in ``test_design.py``."""
    kept: dict[tuple[Any, ...], tuple[list[PlannedNetwork], float]] = {}

    def plan(space: SearchSpace, **settings: Any) -> tuple[list[PlannedNetwork], float]:
        key = (space.hash, *sorted(settings.items()))
        if key not in kept:
            kept[key] = plan_networks(space, **settings)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench, "plan_networks", plan)
        yield
