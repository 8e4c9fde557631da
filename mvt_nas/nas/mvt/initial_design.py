"""The first candidates, before there is anything to model: the ends of what is known, and then as far apart as can be.

Source: the greedy farthest-first choice (Gonzalez, 1985), by features and by the ranks of what is
known.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt.features import RowFeatures
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.variation import Variation, exclude_rows, unique_rows
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_DRAWN = 2048


def fresh_rows(feasibility: Feasibility, n: int, rng: np.random.Generator) -> Rows:
    """Return about ``n`` different feasible rows: half of them uniform over the architectures, half over the choices.

    The two differ where conditions hang many choices on one: uniform over architectures, the case
        with few of them hardly occurs.
    """
    space = feasibility.space
    sizes = [len(dimension.values) for dimension in space.dimensions]
    coded = space.canonical(rng.integers(sizes, size=(n, len(sizes)), dtype=np.int32))
    coded = coded[feasibility.mask(coded)][: n // 2]
    drawn = feasibility.sample(n - len(coded), int(rng.integers(2**32)))
    return unique_rows(np.concatenate([coded, drawn]))


def initial_design(
    feasibility: Feasibility,
    goals: OptimizationProblem,
    features: RowFeatures,
    taken: Rows,
    count: int,
    rng: np.random.Generator,
) -> Rows:
    """Return up to ``count`` feasible rows that are far apart and far from those taken, (n, dimensions)."""
    drawn = fresh_rows(feasibility, _DRAWN, rng)
    bred = Variation(feasibility.space).children(
        drawn[_lowest(goals.known_costs(feasibility, drawn))], _DRAWN // 4, rng
    )
    pool = exclude_rows(unique_rows(np.concatenate([drawn, bred[feasibility.mask(bred)]])), taken)
    if not len(pool):
        return pool
    costs = goals.known_costs(feasibility, np.concatenate([pool, taken]))
    points = np.concatenate(
        [
            _ranks(costs),
            features(np.concatenate([pool, taken])) / np.sqrt(features.groups.max() + 1),
        ],
        axis=1,
    )
    chosen = [] if len(taken) else list(dict.fromkeys(_lowest(costs, 1).tolist()))[:count]
    distance = np.full(len(pool), np.inf)
    for other in [*points[len(pool) :], *points[chosen]]:
        distance = np.minimum(distance, np.sum((points[: len(pool)] - other) ** 2, axis=1))
    while len(chosen) < min(count, len(pool)):
        place = int(np.argmax(distance))
        chosen.append(place)
        distance = np.minimum(distance, np.sum((points[: len(pool)] - points[place]) ** 2, axis=1))
        distance[chosen] = -1.0
    return pool[chosen]


def _lowest(costs: FloatArray, each: int = 16) -> NDArray[np.intp]:
    """Return the places of the lowest costs in each column that varies."""
    varying = [column for column in costs.T if len(column) and np.ptp(column) > 0]
    places = [np.argsort(column, kind="stable")[:each] for column in varying]
    return np.concatenate(places) if places else np.zeros(0, dtype=np.intp)


def _ranks(costs: FloatArray) -> FloatArray:
    """Return the rank of each cost in its column, from 0 to 1."""
    order = np.argsort(np.argsort(costs, axis=0, kind="stable"), axis=0, kind="stable")
    return np.where(np.ptp(costs, axis=0) > 0, order / max(len(costs) - 1, 1), 0.0)
