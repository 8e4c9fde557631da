"""Initial design: the extremes of the known metrics, then rows as far apart as possible.

Source: the greedy farthest-first choice (Gonzalez, 1985), by features and by the ranks of the known
metrics.
"""

from __future__ import annotations

import numpy as np

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.nas.mvt.features import RowFeatures
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.mvt.variation import Variation, exclude_rows, unique_rows
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows

_SAMPLED = 2048


def fresh_rows(feasibility: Feasibility, n: int, rng: np.random.Generator) -> Rows:
    """Return about ``n`` distinct random feasible rows.

    Half of them are uniform over the architectures, half over the choices. The two differ where
    conditions hang many choices on one: uniform over architectures, the value of that choice that
    brings few further choices hardly occurs.
    """
    space = feasibility.space
    sizes = [len(dimension.values) for dimension in space.dimensions]
    by_choice = space.canonical(rng.integers(sizes, size=(n, len(sizes)), dtype=np.int32))
    by_choice = by_choice[feasibility.mask(by_choice)][: n // 2]
    by_architecture = feasibility.sample(n - len(by_choice), int(rng.integers(2**32)))
    return unique_rows(np.concatenate([by_choice, by_architecture]))


def initial_design(
    feasibility: Feasibility,
    problem: OptimizationProblem,
    features: RowFeatures,
    taken: Rows,
    count: int,
    rng: np.random.Generator,
) -> Rows:
    """Return up to ``count`` feasible rows far from each other and from those taken."""
    pool = _pool(feasibility, problem, taken, rng)
    if not len(pool):
        return pool
    rows = np.concatenate([pool, taken])
    costs = problem.known_costs(feasibility, rows)
    # Features are divided by the root of their number of groups, so that all of them together weigh
    # about as much as the rank of one known objective.
    scaled_features = features(rows) / np.sqrt(features.groups.max() + 1)
    points = np.concatenate([_ranks(costs), scaled_features], axis=1)
    pool_points = points[: len(pool)]
    taken_points = points[len(pool) :]
    chosen: list[int] = []
    if not len(taken):
        # Start with the row of least cost in each objective.
        chosen = list(dict.fromkeys(_lowest(costs, 1).tolist()))[:count]
    # Squared distance of each pool row from the nearest row that is taken or chosen.
    distance = np.full(len(pool), np.inf)
    for other in [*taken_points, *points[chosen]]:
        distance = np.minimum(distance, np.sum((pool_points - other) ** 2, axis=1))
    while len(chosen) < min(count, len(pool)):
        farthest = int(np.argmax(distance))
        chosen.append(farthest)
        to_farthest = np.sum((pool_points - points[farthest]) ** 2, axis=1)
        distance = np.minimum(distance, to_farthest)
        distance[chosen] = -1.0
    return pool[chosen]


def _pool(
    feasibility: Feasibility, problem: OptimizationProblem, taken: Rows, rng: np.random.Generator
) -> Rows:
    """Return random feasible rows and children of the cheapest of them, without those taken."""
    sampled = fresh_rows(feasibility, _SAMPLED, rng)
    parents = sampled[_lowest(problem.known_costs(feasibility, sampled))]
    children = Variation(feasibility.space).children(parents, _SAMPLED // 4, rng)
    feasible_children = children[feasibility.mask(children)]
    return exclude_rows(unique_rows(np.concatenate([sampled, feasible_children])), taken)


def _lowest(costs: FloatArray, each: int = 16) -> IndexArray:
    """Return the indices of the ``each`` lowest costs in each column that varies."""
    varying = [column for column in costs.T if len(column) and np.ptp(column) > 0]
    indices = [np.argsort(column, kind="stable")[:each] for column in varying]
    return np.concatenate(indices) if indices else np.zeros(0, dtype=np.intp)


def _ranks(costs: FloatArray) -> FloatArray:
    """Return the rank of each cost in its column, scaled to 0 ... 1; 0 in constant columns."""
    # The argsort of an argsort gives ranks.
    ranks = np.argsort(np.argsort(costs, axis=0, kind="stable"), axis=0, kind="stable")
    return np.where(np.ptp(costs, axis=0) > 0, ranks / max(len(costs) - 1, 1), 0.0)
