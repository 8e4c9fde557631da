"""What rungs save and what they lose, replayed on trainings that were all done to the end.

On the table that ships (8 epochs): 60 of its networks are drawn, rungs after 2 and 4 epochs keep a
third each time, and the front of the networks that reach the last epoch is compared with that of
all 60, by hypervolume over accuracy and parameters. Beside it: promotion by rank without places for
every size, by accuracy alone, and at random.
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
"""Accuracies on a rung and sizes of its members, how many go on: their places."""


def run() -> list[Figure]:
    """Return the share of hypervolume that each way to promote keeps, what it costs, and how early epochs order the last."""
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
    """Return validation accuracies (n, epochs) in percent and parameters (n,) of different networks."""
    first = {
        training.key: training
        for training in reversed(table.trainings)
        if training.status == COMPLETE
    }
    networks = [first[key] for key in sorted(first)]
    return np.array([one.curve for one in networks]), np.array(
        [one.params for one in networks], dtype=float
    )


def _share(
    curves: FloatArray, sizes: FloatArray, choose: Choose, rng: np.random.Generator
) -> float:
    members = np.arange(len(curves))
    for rung in RUNGS[:-1]:
        places = choose(
            curves[members, rung - 1], sizes[members], math.ceil(KEEP * len(members)), rng
        )
        members = members[places]
    scores = np.column_stack([curves[:, -1], -np.log(sizes)])
    directions = ("max", "max")
    reference = reference_point(scores, directions, 0.1)
    return hypervolume(scores[members], directions, reference) / hypervolume(
        scores, directions, reference
    )


def _cost() -> float:
    counts = [DRAWN]
    for _ in RUNGS[:-1]:
        counts.append(math.ceil(KEEP * counts[-1]))
    spent = sum(
        count * (rung - before)
        for count, rung, before in zip(counts, RUNGS, (0, *RUNGS), strict=False)
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
    """Return how accuracies after early epochs of a long training order the networks as its last epoch does."""
    curves, _ = _data(table)
    taus = {epoch: float(kendalltau(curves[:, epoch - 1], curves[:, -1])[0]) for epoch in EARLY}
    note = f"{len(curves)} networks of {LONG}"
    return [
        figure(f"order after {epoch} of {curves.shape[1]} epochs", [tau], "Kendall's tau", note)
        for epoch, tau in taus.items()
    ]
