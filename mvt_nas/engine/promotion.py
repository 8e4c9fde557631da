"""Which networks of a rung go on to the next: the best by non-dominated rank, in equal parts from the small and from the large.

Short trainings flatter networks that learn fast, and those are rarely the small ones. So the members of a rung are sorted by their
parameters into four parts, and each part sends on as many; ranks are still those among all.

What the next rung has shown so far corrects what is expected of the others: a Gaussian process models how much accuracy a network gains
from rung to rung.

Source: Jamieson and Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization", arXiv 1502.07943 (successive
halving); Schmucker et al., "Multi-objective asynchronous successive halving", arXiv 2106.12639 (promotion by non-dominated rank).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mvt_nas.engine.proposing.front import crowding
from mvt_nas.engine.proposing.models import Posterior, fit_kernel
from mvt_nas.pareto import pareto_ranks

Array = NDArray[np.float64]

STRATA = 4
_MODELLED = 8  # results of a rung before gains are modelled rather than averaged


def promoted(costs: Array, sizes: Array, taken: NDArray[np.bool_], count: int) -> list[int]:
    """Return the places of the next ``count`` members to go on, or of all that are left where they are fewer.

    Args:
        costs: (n, objectives), less is better; NaN where a training has failed, which never goes on.
        sizes: (n,), by which members are parted.
        taken: (n,), who has gone on already; counts for the part that it is of.
        count: how many more.
    """
    whole = np.asarray(np.isfinite(costs).all(axis=1))
    strata = _strata(sizes)
    order = _order(costs, whole)
    queues = [[place for place in order if strata[place] == part and not taken[place]] for part in range(STRATA)]
    sent = [int(np.sum(taken & (strata == part))) for part in range(STRATA)]
    chosen: list[int] = []
    while len(chosen) < count and any(queues):
        part = min((part for part in range(STRATA) if queues[part]), key=lambda part: (sent[part], part))
        chosen.append(queues[part].pop(0))
        sent[part] += 1
    return chosen


def expected(below: Array, features: Array, groups: NDArray[np.intp], reached: Array) -> Array:
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
        gained = Posterior(fit_kernel(features[told], gains, groups), features[told], gains).mean(features)
    return np.where(told, reached, below + gained)


def _strata(sizes: Array) -> NDArray[np.intp]:
    """Return the part of each member: equally many in each, from small to large."""
    ranks = np.argsort(np.argsort(sizes, kind="stable"), kind="stable")
    return np.asarray(ranks * STRATA // max(len(sizes), 1), dtype=np.intp)


def _order(costs: Array, whole: NDArray[np.bool_]) -> list[int]:
    """Return the places of those without NaN by rank, the least crowded of a rank first."""
    places = np.flatnonzero(whole)
    if not len(places):
        return []
    ranks = pareto_ranks(costs[places], ["min"] * costs.shape[1])
    loneliness = np.zeros(len(places))
    for rank in np.unique(ranks):
        loneliness[ranks == rank] = crowding(costs[places][ranks == rank])
    return [int(place) for place in places[np.lexsort((places, -loneliness, ranks))]]
