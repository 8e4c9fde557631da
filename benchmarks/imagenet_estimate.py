"""The estimate of ImageNet accuracy: its speed, and what choosing by it is worth.

Speed: estimates of encoded rows on one core, beside the cost table that they need.

Choice: among real networks, each predicted by a model that its family was held out of, the network
with the highest estimate, or the highest low end, under budgets of MACs; the figure is how far it
is below the best one. And among random networks of the space: truths are drawn from the model's own
posterior, which says what the choice would be worth if the model were right.
"""

from __future__ import annotations

import numpy as np

from benchmarks._figures import Figure, figure, seconds
from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.imagenet.constants import shipped_constants
from mvt_nas.accuracy.imagenet.estimator import default_estimator
from mvt_nas.accuracy.imagenet.evaluation import HeldOutEvaluation
from mvt_nas.accuracy.imagenet.law import columns, unlink
from mvt_nas.accuracy.imagenet.model import NetworkSet
from mvt_nas.accuracy.imagenet.observations import CONVOLUTIONAL, MODEL, family_of, observations
from mvt_nas.accuracy.imagenet.shape import NetworkSizes
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.binomial import Z_90
from mvt_nas.space.search_space import load_space

ROWS = 100_000
REPEATS = 5
CANDIDATES = 800
DRAWS = 400
BUDGETS = (0.7e9, 1e9, 2e9, 4e9, 8e9)


def run() -> list[Figure]:
    """Return the figures of speed, of choices among real networks, and of drawn truths."""
    return [*_speed(), *_real_networks(), *_drawn_truths()]


def _speed() -> list[Figure]:
    space = load_space("mobilevit")
    table = CostTable(space)
    rows = space.sample(ROWS, 0)
    costs = table.costs(rows)
    estimator = default_estimator()
    counting = seconds(lambda: table.costs(rows), REPEATS)
    estimating = seconds(lambda: estimator.of_rows(space, rows, costs), REPEATS)
    note = f"{ROWS} rows of mobilevit, one core"
    return [
        figure("estimates", [ROWS / time for time in estimating], "rows/s", note),
        figure("costs in the same run", [ROWS / time for time in counting], "rows/s", note),
    ]


def _real_networks() -> list[Figure]:
    found = observations()
    evaluation = HeldOutEvaluation(shipped_constants(), found)
    convolutional = [i for i in found.of_kind(CONVOLUTIONAL) if not found.tables[i]]
    groups = [
        (
            [i for i in found.of_kind(MODEL) if family_of(found.names[i]) == family],
            held_out,
        )
        for family, held_out in evaluation.families_out(ablations=False).items()
    ]
    groups.append((convolutional, evaluation.convolutional_out()))
    members = [index for indices, _ in groups for index in indices]
    macs = found.networks.law[members, 2]
    figures = []
    for name in ("percent", "low"):
        scores = np.concatenate([getattr(held_out, name) for _, held_out in groups])
        regrets = _regrets(scores, found.top1[members], macs)
        figures.append(
            Figure(
                f"below the best real network, chosen by {name}",
                float(np.mean(regrets)),
                "points",
                min(regrets),
                max(regrets),
                len(regrets),
                f"mean; {len(members)} networks of four families, each family held out",
            )
        )
    return figures


def _regrets(scores: FloatArray, top1: FloatArray, macs: FloatArray) -> list[float]:
    """Return how far each choice is below the best, for a budget at each network's MACs."""
    regrets = []
    for budget in np.sort(macs)[3:]:
        inside = np.flatnonzero(macs <= budget)
        chosen = inside[np.argmax(scores[inside])]
        regrets.append(float(top1[inside].max() - top1[chosen]))
    return regrets


def _drawn_truths() -> list[Figure]:
    space = load_space("mobilevit")
    rows = space.sample(CANDIDATES, 3)
    costs = CostTable(space).costs(rows)
    sizes = NetworkSizes.of_rows(space, rows, costs)
    found = observations()
    models = found.of_kind(MODEL)
    published = found.networks.subset(models)
    everything = NetworkSet(
        np.concatenate([columns(sizes.params, sizes.macs, sizes.resolution_px), published.law]),
        np.concatenate([sizes.shape, published.shape]),
        ("",) * CANDIDATES + published.line,
        (*(f"candidate {number}" for number in range(CANDIDATES)), *published.network),
        ("",) * (CANDIDATES + len(models)),
    )
    posterior = shipped_constants().model().predict(everything)
    factor = np.linalg.cholesky(posterior.covariance + 1e-9 * np.eye(len(everything)))
    macs = np.exp(everything.law[:, 2]) * 1e9
    low = posterior.mean + Z_90 * posterior.sd
    random = np.random.default_rng(0)
    gains: dict[str, list[float]] = {"percent": [], "low": []}
    for _ in range(DRAWS):
        truth = unlink(posterior.mean + factor @ random.standard_normal(len(everything)))
        for budget in BUDGETS:
            inside = np.flatnonzero(macs <= budget)
            known = inside[inside >= CANDIDATES]
            best_published = truth[known[np.argmin(posterior.mean[known])]]
            for name, score in (("percent", posterior.mean), ("low", low)):
                gains[name].append(float(truth[inside[np.argmin(score[inside])]] - best_published))
    figures = []
    for name, values in gains.items():
        note = f"mean; {DRAWS} truths drawn from the posterior, {len(BUDGETS)} budgets of MACs"
        tenth = float(np.quantile(values, 0.1))
        worse = float(np.mean(np.array(values) < 0))
        mean = float(np.mean(values))
        figures += [
            Figure(f"above the best published model, chosen by {name}", mean, "points",
                   tenth, max(values), len(values), note),
            Figure(f"worse than it, chosen by {name}", worse, "share", worse, worse,
                   len(values), note),
        ]  # fmt: skip
    return figures
