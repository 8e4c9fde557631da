"""Promotion of the members of a rung to the next: by non-dominated rank, with slots for every size.

Short trainings favour networks that learn fast, and where size is no objective no small network
would be promoted. So the members of a rung are divided by their parameters into four groups of
equal size, and half of the slots are shared equally among the groups; the others go to the best
members overall. ``benchmarks/rungs.py`` measures costs and gains of this rule.

The results of the next rung correct the expectations of the other members: a Gaussian process
models the gain in accuracy from rung to rung.

Source: Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", arXiv 1502.07943 (successive halving); Schmucker et al., "Multi-objective
asynchronous successive halving", arXiv 2106.12639 (promotion by non-dominated rank).
"""

from __future__ import annotations

import numpy as np

from mvt_nas._typing import BoolArray, FloatArray, IndexArray
from mvt_nas.nas.mvt.gaussian_process import GaussianProcess, fit_kernel
from mvt_nas.nas.mvt.pareto_search import crowding
from mvt_nas.pareto import pareto_ranks

PARTS = 4
"""Number of size groups."""

SHARED = 0.5
"""Fraction of the slots that are shared among the size groups."""

# Number of results of a rung from which gains are modelled rather than averaged.
_MODELLED = 8


def promoted(
    costs: FloatArray, sizes: FloatArray, taken: BoolArray, count: int, slots: int
) -> list[int]:
    """Return the indices of the next ``count`` members to promote; fewer where fewer are left.

    Args:
        costs: Costs of the members (less is better), (n, objectives); NaN where a training failed,
            which is never promoted.
        sizes: Sizes by which members are grouped, (n,).
        taken: True for members that are promoted already, (n,); they use slots of their group.
        count: Number of members to promote now.
        slots: Number of members to promote in all.
    """
    group = _size_groups(sizes)
    succeeded = np.asarray(np.isfinite(costs).all(axis=1))
    order = [index for index in _order(costs, succeeded) if not taken[index]]
    used = [int(np.sum(taken & (group == number))) for number in range(PARTS)]
    reserved = int(SHARED * slots / PARTS)
    chosen: list[int] = []
    while len(chosen) < min(count, len(order)):
        left = [index for index in order if index not in chosen]
        below_share = [index for index in left if used[group[index]] < reserved]
        # The best of the members whose groups have the fewest used slots, as long as any group has
        # reserved slots; min() returns the first of equals. Then the best member overall.
        best = left[0]
        if below_share:
            best = min(below_share, key=lambda index: used[group[index]])
        chosen.append(best)
        used[group[best]] += 1
    return chosen


def expected_accuracy(
    below: FloatArray, features: FloatArray, groups: IndexArray, reached: FloatArray
) -> FloatArray:
    """Return the accuracies of members on the next rung, (n,): observed, else expected.

    Args:
        below: Accuracies on the current rung, (n,); NaN where a training failed.
        features: Features of the members, (n, features).
        groups: Group of each feature, (features,), see :class:`MaternKernel`.
        reached: Accuracies on the next rung, (n,); NaN where there is none yet.
    """
    observed = np.isfinite(reached)
    gains = reached[observed] - below[observed]
    if not len(gains):
        return below.copy()
    if len(gains) < _MODELLED:
        expected_gains = np.full(len(below), gains.mean())
    else:
        kernel = fit_kernel(features[observed], gains, groups)
        model = GaussianProcess(kernel, features[observed], gains)
        expected_gains = model.mean(features)
    return np.where(observed, reached, below + expected_gains)


def _size_groups(sizes: FloatArray) -> IndexArray:
    """Return the group of each member: groups of equal size, from small to large."""
    # The argsort of an argsort gives ranks.
    ranks = np.argsort(np.argsort(sizes, kind="stable"), kind="stable")
    return np.asarray(ranks * PARTS // max(len(sizes), 1), dtype=np.intp)


def _order(costs: FloatArray, valid: BoolArray) -> list[int]:
    """Return the indices of the valid members by rank, within a rank the least crowded first."""
    indices = np.flatnonzero(valid)
    if not len(indices):
        return []
    ranks = pareto_ranks(costs[indices], ["min"] * costs.shape[1])
    distance = np.zeros(len(indices))
    for rank in np.unique(ranks):
        distance[ranks == rank] = crowding(costs[indices][ranks == rank])
    # lexsort() takes its last key as the first criterion; the index breaks ties.
    return [int(index) for index in indices[np.lexsort((indices, -distance, ranks))]]
