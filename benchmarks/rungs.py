"""Savings and losses of successive halving, replayed on complete trainings.

From the default accuracy table (8 epochs) 60 networks are drawn, and rungs after 2 and 4 epochs
keep a third each. The front of the networks that reach the last epoch is compared with the front of
all 60, by hypervolume over accuracy and parameters. For comparison, networks are also promoted by
rank without slots for every size, by accuracy alone, and at random.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

from benchmarks._figures import Figure, figure
from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.table import AccuracyTable, read_table
from mvt_nas.nas.multi_fidelity import promotion
from mvt_nas.nas.problem.short_training import KEEP
from mvt_nas.pareto import hypervolume, reference_point
from mvt_nas.resources import default_table
from mvt_nas.training.state import COMPLETE

DRAWS, DRAWN = 200, 60
RUNGS = (2, 4, 8)
LONG = "small_images-cifar10-long.csv"
EARLY = (2, 4, 8, 12)

Choose = Callable[[FloatArray, FloatArray, int, np.random.Generator], NDArray[np.intp]]
"""Function of accuracies, sizes, number to promote and generator to the promoted positions."""


def run() -> list[Figure]:
    """Return the hypervolume kept by each kind of promotion, its cost, and rank correlations."""
    curves, sizes = _data(read_table(default_table()))
    rng = np.random.default_rng(0)
    draws = [rng.choice(len(curves), DRAWN, replace=False) for _ in range(DRAWS)]
    figures = []
    for name, choose in {
        "as searches promote": _ours,
        "by rank alone": _by_rank,
        "accuracy alone": _best,
        "at random": _random,
    }.items():
        shares = [_share(curves[draw], sizes[draw], choose, rng) for draw in draws]
        figures.append(figure(f"hypervolume kept, {name}", shares, "of all"))
    figures.append(
        figure(
            "epochs trained", [_cost()], "of all", f"{DRAWN} networks, rungs {RUNGS}, a third kept"
        )
    )
    return [*figures, *_orders(read_table(default_table().with_name(LONG)))]


def _data(table: AccuracyTable) -> tuple[FloatArray, FloatArray]:
    """Return the validation accuracies of distinct networks, and their parameters.

    Returns:
        Accuracies after each epoch in percent, (networks, epochs), and numbers of parameters,
        (networks,).
    """
    # In reverse order, so that the first complete training of each network is kept.
    first = {
        training.key: training
        for training in reversed(table.trainings)
        if training.status == COMPLETE
    }
    networks = [first[key] for key in sorted(first)]
    curves = np.array([network.curve for network in networks])
    sizes = np.array([network.params for network in networks], dtype=float)
    return curves, sizes


def _share(
    curves: FloatArray, sizes: FloatArray, choose: Choose, rng: np.random.Generator
) -> float:
    """Return the share of the hypervolume of all networks that the promoted ones have."""
    members = np.arange(len(curves))
    for rung in RUNGS[:-1]:
        count = math.ceil(KEEP * len(members))
        promoted = choose(curves[members, rung - 1], sizes[members], count, rng)
        members = members[promoted]
    # Size is a second objective to maximise: minus its logarithm.
    scores = np.column_stack([curves[:, -1], -np.log(sizes)])
    directions = ("max", "max")
    reference = reference_point(scores, directions, 0.1)
    kept = hypervolume(scores[members], directions, reference)
    return kept / hypervolume(scores, directions, reference)


def _cost() -> float:
    """Return the trained epochs as a share of those of complete trainings of all networks."""
    counts = [DRAWN]
    for _ in RUNGS[:-1]:
        counts.append(math.ceil(KEEP * counts[-1]))
    spent = sum(
        count * (rung - previous)
        for count, rung, previous in zip(counts, RUNGS, (0, *RUNGS), strict=False)
    )
    return spent / (DRAWN * RUNGS[-1])


def _ours(
    accuracies: FloatArray, sizes: FloatArray, count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    costs = np.column_stack([-accuracies, sizes])
    return np.array(
        promotion.promoted(costs, sizes, np.zeros(len(sizes), dtype=bool), count, count)
    )


def _by_rank(
    accuracies: FloatArray, sizes: FloatArray, count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    costs = np.column_stack([-accuracies, sizes])
    return np.array(
        promotion.promoted(costs, sizes, np.zeros(len(sizes), dtype=bool), count, places=0)
    )


def _best(
    accuracies: FloatArray, sizes: FloatArray, count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    return np.argsort(-accuracies, kind="stable")[:count]


def _random(
    accuracies: FloatArray, sizes: FloatArray, count: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    return rng.choice(len(accuracies), count, replace=False)


def _orders(table: AccuracyTable) -> list[Figure]:
    """Return the rank correlations of accuracies after early epochs with those after the last."""
    curves, _ = _data(table)
    taus = {epoch: float(kendalltau(curves[:, epoch - 1], curves[:, -1])[0]) for epoch in EARLY}
    note = f"{len(curves)} networks of {LONG}"
    return [
        figure(f"order after {epoch} of {curves.shape[1]} epochs", [tau], "Kendall's tau", note)
        for epoch, tau in taus.items()
    ]
