"""Validation of proxies on trained networks, compared with counting.

A proxy may follow accuracy only because it follows size. So it is also evaluated at constant size:
given parameters, MACs and depth, and in the subset of networks of equal size. Signs differ between
spaces, so the sign of a proxy is taken from one half of the networks and evaluated on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.accuracy.design import MATCHED
from mvt_nas.accuracy.features import FEATURES, features
from mvt_nas.accuracy.ranking_metrics import (
    kendall,
    ndcg,
    paired_bootstrap,
    partial_kendall,
    regret,
    spearman,
)
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.metrics.direction import Direction
from mvt_nas.proxies.base import PROXIES
from mvt_nas.proxies.types import Batch

Rows = IndexArray

IMAGES = 32
"""Images in the batch that proxies see."""

COUNTING = ("params", "macs", "params_macs")
"""Counting baselines: parameters, MACs, and the mean of their ranks."""

BETTER, NOT_BETTER, WORSE = (
    "better than counting",
    "not better than counting",
    "worse than counting",
)
"""Possible verdicts."""

# Random halvings of the networks, and the fewest networks for a figure.
_SPLITS = 100
_LEAST = 8


def score_networks(
    networks: DistinctNetworks,
    names: Sequence[str],
    *,
    seeds: int = 1,
    images: int = IMAGES,
    listener: Callable[[int, int], None] | None = None,
) -> dict[str, FloatArray]:
    """Return the scores by proxy, (seeds, n), higher for better networks.

    Scores are multiplied by -1 if low is good, and NaN if they are not finite.

    Args:
        networks: Networks of a table.
        names: Names of the proxies.
        seeds: Number of seeds of weights and batch.
        images: Number of images in the batch, at the networks' own resolution.
        listener: Function called after each network with the number of scored networks and the
            total.
    """
    from mvt_nas.models.network import build_model
    from mvt_nas.proxies.suite import score_all

    # Scores are correlated as merits, of which more is better.
    signs = {name: -Direction(PROXIES.get(name).direction).sign for name in names}
    result = {name: np.full((seeds, len(networks)), np.nan) for name in names}
    for index, architecture in enumerate(networks.architectures):
        for seed in range(seeds):
            model = build_model(architecture, num_classes=networks.num_classes, seed=seed)
            batch = _batch(images, architecture.resolution_px, seed, networks.num_classes)
            for name, score in score_all(model, batch, names).items():
                if score.finite:
                    result[name][seed, index] = signs[name] * score.value
        if listener:
            listener(index + 1, len(networks))
    return result


def _batch(images: int, resolution_px: int, seed: int, num_classes: int) -> Batch:
    from mvt_nas.proxies.batches import DIGIT_CLASSES, digits_batch, noise_batch

    # The labels of digits need as many outputs.
    if num_classes < DIGIT_CLASSES:
        return noise_batch(images, resolution_px, seed, classes=num_classes)
    return digits_batch(images, resolution_px, seed)


@dataclass(frozen=True, slots=True)
class ProxyValidation:
    """Validation of a proxy.

    Attributes:
        proxy: Name of the proxy.
        n: Number of networks with a finite score, on which all figures are based.
        tau: Kendall's tau with accuracy, in the proxy's own direction.
        tau_split: Kendall's tau with the sign taken from one half of the networks and evaluated on
            the other, mean over 100 splits.
        spearman: Spearman's rank correlation with accuracy.
        tau_partial: Kendall's tau given parameters, MACs and depth.
        tau_matched: Kendall's tau in the subset of equal size; ``None`` if it has too few networks.
        ndcg10: Normalised discounted cumulative gain of the ten best networks by score.
        regret: Accuracy of the best network minus that of the best one by score, in percentage
            points.
        delta: Tau minus that of the best counting baseline, which is chosen on one half of the
            networks and compared on the other.
        delta_low: Lower end of the 95 % paired bootstrap interval of the difference from counting.
        delta_high: Upper end of that interval.
        seed_noise: Standard deviation over seeds as a share of that over networks; ``None`` with
            one seed.
        verdict: :data:`BETTER`, :data:`NOT_BETTER` or :data:`WORSE`.
    """

    proxy: str
    n: int
    tau: float
    tau_split: float
    spearman: float
    tau_partial: float
    tau_matched: float | None
    ndcg10: float
    regret: float
    delta: float
    delta_low: float
    delta_high: float
    seed_noise: float | None
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain data, rounded."""
        return {
            name: round(value, 5) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def validate(
    networks: DistinctNetworks, scores: Mapping[str, FloatArray], *, seed: int = 0
) -> list[ProxyValidation]:
    """Return the validation of each proxy, the highest tau first.

    Proxies with too few finite scores are left out.

    Args:
        networks: Trained networks.
        scores: Scores by proxy, (seeds, n), in the proxy's own direction (higher is better); NaN
            where they are not finite.
        seed: Seed of splits and resamples.
    """
    validations = [
        _validate(name, values, networks, np.random.default_rng([seed, number]))
        for number, (name, values) in enumerate(scores.items())
    ]
    return sorted(
        (entry for entry in validations if entry is not None), key=lambda entry: -entry.tau
    )


def counting_scores(networks: DistinctNetworks) -> dict[str, FloatArray]:
    """Return the counting baselines in the form of scores, (1, n) each."""
    from scipy.stats import rankdata

    params, macs, _ = _controls(networks).T
    return {
        "params": params[None],
        "macs": macs[None],
        "params_macs": (rankdata(params) + rankdata(macs))[None],
    }


def _controls(networks: DistinctNetworks) -> FloatArray:
    """Return log-params, log-MACs and log-depth, (n, 3)."""
    values = features(networks.architectures, num_classes=networks.num_classes)
    return values[:, [FEATURES.index(name) for name in ("log params", "log macs", "log layers")]]


def _validate(
    name: str, values: FloatArray, networks: DistinctNetworks, rng: np.random.Generator
) -> ProxyValidation | None:
    score = values.mean(axis=0)
    rows = np.flatnonzero(np.isfinite(score))
    if len(rows) < _LEAST:
        return None
    accuracy = networks.accuracy[rows]
    counting = {key: values[0][rows] for key, values in counting_scores(networks).items()}
    matched = np.intersect1d(rows, networks.in_subset(MATCHED))
    tau_matched = (
        kendall(score[matched], networks.accuracy[matched]) if len(matched) >= _LEAST else None
    )
    score = score[rows]
    delta, low, high = _against_counting(score, counting, accuracy, rng)
    verdict = NOT_BETTER
    if low > 0:
        verdict = BETTER
    elif high < 0:
        verdict = WORSE
    return ProxyValidation(
        proxy=name,
        n=len(rows),
        tau=kendall(score, accuracy),
        tau_split=_split_half(score, accuracy, rng),
        spearman=spearman(score, accuracy),
        tau_partial=partial_kendall(score, accuracy, _controls(networks)[rows]),
        tau_matched=tau_matched,
        ndcg10=ndcg(score, accuracy),
        regret=regret(score, accuracy),
        delta=delta,
        delta_low=low,
        delta_high=high,
        seed_noise=_seed_noise(values[:, rows]),
        verdict=verdict,
    )


def _halves(n: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Return two random halves of n indices."""
    order = rng.permutation(n)
    return order[: n // 2], order[n // 2 :]


def _split_half(score: FloatArray, accuracy: FloatArray, rng: np.random.Generator) -> float:
    """Return the mean tau on one half of the networks with the sign taken from the other."""
    taus = []
    for _ in range(_SPLITS):
        here, there = _halves(len(score), rng)
        sign = 1.0 if kendall(score[here], accuracy[here]) >= 0 else -1.0
        taus.append(sign * kendall(score[there], accuracy[there]))
    return float(np.mean(taus))


def _against_counting(
    score: FloatArray,
    counting: Mapping[str, FloatArray],
    accuracy: FloatArray,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Return the difference in tau from the best counting baseline, and its interval.

    The difference is the mean over split halves: the baseline is chosen on one half and compared on
    the other. The interval is a paired bootstrap over all networks.
    """

    def best_baseline(rows: Rows) -> str:
        return max(counting, key=lambda key: kendall(counting[key][rows], accuracy[rows]))

    def difference(baseline: str, rows: Rows) -> float:
        own = kendall(score[rows], accuracy[rows])
        return own - kendall(counting[baseline][rows], accuracy[rows])

    differences = []
    for _ in range(_SPLITS):
        here, there = _halves(len(score), rng)
        differences.append(difference(best_baseline(here), there))
    best = best_baseline(np.arange(len(score)))
    low, high = paired_bootstrap(partial(difference, best), len(score), rng, resamples=500)
    return float(np.mean(differences)), low, high


def _seed_noise(values: FloatArray) -> float | None:
    """Return the deviation of scores (seeds, n) over seeds as a share of that over networks."""
    if len(values) < 2:
        return None
    between = float(values.mean(axis=0).std(ddof=1))
    return float(np.sqrt(values.var(axis=0, ddof=1).mean())) / between if between else None
