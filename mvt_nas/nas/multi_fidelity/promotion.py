"""Which networks of a rung go on to the next: the best by non-dominated rank, with places kept for every size.

Short trainings flatter networks that learn fast, and where size is no objective the small ones
would all be left behind. So the members of a rung are sorted by their parameters into four parts,
and half of the places are shared equally among these; the others go to the best of all. What that
costs and gains is measured in ``benchmarks/rungs.py``.

What the next rung has shown so far corrects what is expected of the others: a Gaussian process
models how much accuracy a network gains from rung to rung.

Source: Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter
optimization", arXiv 1502.07943 (successive halving); Schmucker et al., "Multi-objective
asynchronous successive halving", arXiv 2106.12639 (promotion by non-dominated rank).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt.gaussian_process import GaussianProcess, fit_kernel
from mvt_nas.nas.mvt.pareto_search import crowding
from mvt_nas.pareto import pareto_ranks

PARTS = 4
SHARED = 0.5  # of the places, among the parts
_MODELLED = 8  # results of a rung before gains are modelled rather than averaged


def promoted(
    costs: FloatArray, sizes: FloatArray, taken: NDArray[np.bool_], count: int, places: int
) -> list[int]:
    """Return the places of the next ``count`` members to go on, or of all that are left where they are fewer.

    Args:
        costs: (n, objectives), less is better; NaN where a training has failed, which never goes
            on.
        sizes: (n,), by which members are parted.
        taken: (n,), who has gone on already; counts for the part that it is of.
        count: how many more.
        places: how many go on in all.
    """
    part = _part(sizes)
    order = [
        place
        for place in _order(costs, np.asarray(np.isfinite(costs).all(axis=1)))
        if not taken[place]
    ]
    sent = [int(np.sum(taken & (part == number))) for number in range(PARTS)]
    chosen: list[int] = []
    while len(chosen) < min(count, len(order)):
        left = [place for place in order if place not in chosen]
        short = [place for place in left if sent[part[place]] < int(SHARED * places / PARTS)]
        first = min(short, key=lambda place: sent[part[place]]) if short else left[0]
        chosen.append(first)
        sent[part[first]] += 1
    return chosen


def expected_accuracy(
    below: FloatArray, features: FloatArray, groups: NDArray[np.intp], reached: FloatArray
) -> FloatArray:
    """Return what members of a rung reach on the next one: what they have reached, else what their like have gained, (n,).

    Args:
        below: (n,), accuracies on the rung; NaN where a training has failed.
        features: (n, features).
        groups: (features,), see :class:`Kernel`.
        reached: (n,), accuracies on the next rung; NaN where there is none yet.
    """
    told = np.isfinite(reached)
    gains = reached[told] - below[told]
    if not len(gains):
        return below.copy()
    if len(gains) < _MODELLED:
        gained = np.full(len(below), gains.mean())
    else:
        gained = GaussianProcess(
            fit_kernel(features[told], gains, groups), features[told], gains
        ).mean(features)
    return np.where(told, reached, below + gained)


def _part(sizes: FloatArray) -> NDArray[np.intp]:
    """Return the part of each member: equally many in each, from small to large."""
    ranks = np.argsort(np.argsort(sizes, kind="stable"), kind="stable")
    return np.asarray(ranks * PARTS // max(len(sizes), 1), dtype=np.intp)


def _order(costs: FloatArray, whole: NDArray[np.bool_]) -> list[int]:
    """Return the places of those without NaN by rank, the least crowded of a rank first."""
    places = np.flatnonzero(whole)
    if not len(places):
        return []
    ranks = pareto_ranks(costs[places], ["min"] * costs.shape[1])
    loneliness = np.zeros(len(places))
    for rank in np.unique(ranks):
        loneliness[ranks == rank] = crowding(costs[places][ranks == rank])
    return [int(place) for place in places[np.lexsort((places, -loneliness, ranks))]]
