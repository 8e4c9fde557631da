"""How much shape matters at one size, and whether small networks know: trainings at 27 MMACs.

The table ``photos_64-cifar10.csv`` holds networks of 27 million MACs (within 5 %) at 64 px: drawn
at random (uniformly over architectures and over choices), picked as the best of 150 by the accuracy
that the shipped table of networks of 2.5 MMACs at 32 px predicts, and published designs, shrunk. It
is made, and resumed, by

    mvt-nas bench train --networks results/benchmark/photos_64-plan.csv --data cifar10/train \
        --limit 1200 --protocol results/benchmark/photos_64-cifar10.yaml \
        --out results/benchmark/photos_64-cifar10.csv

with the 50,000 training images of CIFAR-10 as files in folders by class. The figures are of the
trainings that the table holds so far.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks._figures import Figure, figure
from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.accuracy.imagenet.estimator import imagenet_top1
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.accuracy.ranking_metrics import kendall
from mvt_nas.accuracy.surrogate import Surrogate
from mvt_nas.accuracy.table import read_table
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.resources import benchmark_file, default_table

TABLE = "photos_64-cifar10.csv"
RESAMPLES = 2_000


def run() -> list[Figure]:
    """Return the spread of shape at one size, the transfer from small networks, and the gain."""
    networks = read_table(benchmark_file(TABLE)).networks()
    small = read_table(default_table())
    predicted = (
        Surrogate(small.networks())
        .predict([at_protocol(one, small) for one in networks.architectures])
        .percent
    )
    estimated = imagenet_top1(networks.architectures).percent
    random = networks.in_subset("matched")
    picked = networks.in_subset("picked")
    published = networks.in_subset("published")
    accuracy = networks.accuracy
    return [
        figure("networks of 27 MMACs", [float(len(networks))], ""),
        _spread(accuracy[random], networks),
        _correlation("by networks of 2.5 MMACs", predicted[random], accuracy[random]),
        _correlation("by the ImageNet estimate", estimated[random], accuracy[random]),
        _slope(predicted[random], accuracy[random]),
        _gain("picked by small networks", accuracy[picked], accuracy[random]),
        _gain("published designs", accuracy[published], accuracy[random]),
    ]


def _spread(accuracy: FloatArray, networks: DistinctNetworks) -> Figure:
    """Return the standard deviation between random networks, without that between seeds."""

    def between(values: FloatArray) -> float:
        return float(np.sqrt(max(np.var(values, ddof=1) - networks.seed_sd**2, 0.0)))

    low, high = _bootstrap(lambda rows: between(accuracy[rows]), len(accuracy))
    note = f"{len(accuracy)} networks drawn at random; between seeds {networks.seed_sd:.2f} points"
    return Figure(
        "spread of shape at one size", between(accuracy), "points", low, high, RESAMPLES, note
    )


def _correlation(name: str, scores: FloatArray, accuracy: FloatArray) -> Figure:
    low, high = _bootstrap(lambda rows: kendall(scores[rows], accuracy[rows]), len(accuracy))
    value = kendall(scores, accuracy)
    return Figure(f"Kendall's tau at one size, {name}", value, "", low, high, RESAMPLES)


def _slope(predicted: FloatArray, accuracy: FloatArray) -> Figure:
    """Return the transfer coefficient: points of accuracy per predicted point of small networks."""

    def slope(rows: IndexArray) -> float:
        x = predicted[rows] - predicted[rows].mean()
        return float(x @ accuracy[rows] / max(float(x @ x), 1e-12))

    low, high = _bootstrap(slope, len(accuracy))
    value = slope(np.arange(len(accuracy)))
    return Figure("transfer coefficient", value, "points/point", low, high, RESAMPLES)


def _gain(name: str, chosen: FloatArray, random: FloatArray) -> Figure:
    generator = np.random.default_rng(0)
    draws = [
        generator.choice(chosen, len(chosen)).mean() - generator.choice(random, len(random)).mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(draws, [0.05, 0.95])
    value = float(chosen.mean() - random.mean())
    note = f"{len(chosen)} against {len(random)} drawn at random; 90 % bootstrap"
    return Figure(
        f"gain at equal MACs, {name}", value, "points", float(low), float(high), RESAMPLES, note
    )


def _bootstrap(statistic: Callable[[IndexArray], float], n: int) -> tuple[float, float]:
    """Return the 90 % bootstrap interval of a statistic of n rows."""
    generator = np.random.default_rng(0)
    values = [statistic(generator.integers(0, n, n)) for _ in range(RESAMPLES)]
    low, high = np.quantile(values, [0.05, 0.95])
    return float(low), float(high)
