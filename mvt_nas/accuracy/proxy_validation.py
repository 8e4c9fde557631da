"""Training-free scores of the networks of a table.

What training-free scores are worth: each one beside counting, on networks that were really trained.

A score may follow accuracy only because it follows size. So it is also judged with size held
constant: given parameters, MACs and depth, and in the panel of networks of one size. Signs flip
between spaces, so the sign that a score deserves is taken from one half of the networks and judged
on the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.design import MATCHED
from mvt_nas.accuracy.features import FEATURES, features
from mvt_nas.accuracy.rank_correlation import (
    kendall,
    ndcg,
    paired_bootstrap,
    partial_kendall,
    regret,
    spearman,
)
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.metrics.direction import Direction
from mvt_nas.proxies.base import PROXIES, Batch

IMAGES = 32


def score_networks(
    networks: DistinctNetworks,
    names: Sequence[str],
    *,
    seeds: int = 1,
    images: int = IMAGES,
    listener: Callable[[int, int], None] | None = None,
) -> dict[str, FloatArray]:
    """Return the scores by proxy, (seeds, n), each multiplied by -1 where low is good; NaN where one is not finite.

    Args:
        networks: of a table.
        names: of the proxies.
        seeds: of weights and batch.
        images: in the batch, at the networks' own resolution.
        listener: is told after each network how many of how many are done.
    """
    from mvt_nas.models.network import build_model
    from mvt_nas.proxies.suite import score_all

    # Scores are correlated as merits, of which more is better.
    signs = {name: -Direction(PROXIES.get(name).direction).sign for name in names}
    result = {name: np.full((seeds, len(networks)), np.nan) for name in names}
    for place, architecture in enumerate(networks.architectures):
        for seed in range(seeds):
            model = build_model(architecture, num_classes=networks.num_classes, seed=seed)
            found = score_all(
                model, _batch(images, architecture.resolution_px, seed, networks.num_classes), names
            )
            for name, score in found.items():
                result[name][seed, place] = (
                    signs[name] * score.value if np.isfinite(score.value) else np.nan
                )
        if listener:
            listener(place + 1, len(networks))
    return result


def _batch(images: int, resolution_px: int, seed: int, num_classes: int) -> Batch:
    from mvt_nas.proxies.batches import DIGIT_CLASSES, digits_batch, noise_batch

    if num_classes < DIGIT_CLASSES:
        return noise_batch(images, resolution_px, seed, classes=num_classes)
    return digits_batch(images, resolution_px, seed)


Rows = NDArray[np.intp]

COUNTING = ("params", "macs", "params_macs")
BETTER, NOT_BETTER, WORSE = (
    "better than counting",
    "not better than counting",
    "worse than counting",
)
_SPLITS = 100
_LEAST = 8


@dataclass(frozen=True, slots=True)
class ProxyVerdict:
    """A score judged.

    Attributes:
        proxy: its name.
        n: networks for which it is finite; the figures are about these.
        tau: Kendall's tau with accuracy, in the direction that the score declares.
        tau_split: the same with the sign taken from one half of the networks and judged on the
            other, mean over 100 splits.
        spearman: Spearman's rank correlation.
        tau_partial: Kendall's tau given parameters, MACs and depth.
        tau_matched: Kendall's tau in the panel of equal size; ``None`` where there are too few
            networks.
        ndcg10: normalised discounted cumulative gain of its ten best.
        regret: by how many percentage points its pick falls short of the best network.
        delta: its tau minus that of the best counting baseline, which is chosen on one half and
            compared on the other.
        delta_low: lower end of the 95 % paired bootstrap interval of the difference from counting.
        delta_high: upper end.
        seed_noise: standard deviation over seeds as a share of that over networks; ``None`` with
            one seed.
        verdict: in words.
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
        """Return the verdict as plain data, rounded."""
        return {
            name: round(value, 5) if isinstance(value, float) else value
            for name, value in asdict(self).items()
        }


def validate(
    networks: DistinctNetworks, scores: Mapping[str, FloatArray], *, seed: int = 0
) -> list[ProxyVerdict]:
    """Return a verdict for each score, the highest tau first.

    Args:
        networks: trained ones.
        scores: by proxy, (seeds, n), higher for better networks in the proxy's own opinion; NaN
            where it is not finite.
        seed: of splits and resamples.
    """
    verdicts = [
        _judge(name, values, networks, np.random.default_rng([seed, number]))
        for number, (name, values) in enumerate(scores.items())
    ]
    return sorted(
        (verdict for verdict in verdicts if verdict is not None), key=lambda verdict: -verdict.tau
    )


def counting_scores(networks: DistinctNetworks) -> dict[str, FloatArray]:
    """Return the counting baselines in the form of scores, (1, n) each: params, MACs, the mean of their ranks."""
    from scipy.stats import rankdata

    params, macs, _ = _controls(networks).T
    return {
        "params": params[None],
        "macs": macs[None],
        "params_macs": (rankdata(params) + rankdata(macs))[None],
    }


def _controls(networks: DistinctNetworks) -> FloatArray:
    """Return log-params, log-MACs and log-depth, (n, 3)."""
    table = features(networks.architectures, num_classes=networks.num_classes)
    return table[:, [FEATURES.index(name) for name in ("log params", "log macs", "log layers")]]


def _judge(
    name: str, values: FloatArray, networks: DistinctNetworks, rng: np.random.Generator
) -> ProxyVerdict | None:
    score = values.mean(axis=0)
    rows = np.flatnonzero(np.isfinite(score))
    if len(rows) < _LEAST:
        return None
    accuracy, controls = networks.accuracy[rows], _controls(networks)[rows]
    counting = {key: entry[0][rows] for key, entry in counting_scores(networks).items()}
    matched = np.intersect1d(rows, networks.in_panel(MATCHED))
    score = score[rows]
    delta, low, high = _against_counting(score, counting, accuracy, rng)
    return ProxyVerdict(
        proxy=name,
        n=len(rows),
        tau=kendall(score, accuracy),
        tau_split=_split_half(score, accuracy, rng),
        spearman=spearman(score, accuracy),
        tau_partial=partial_kendall(score, accuracy, controls),
        tau_matched=(
            kendall(values.mean(axis=0)[matched], networks.accuracy[matched])
            if len(matched) >= _LEAST
            else None
        ),
        ndcg10=ndcg(score, accuracy),
        regret=regret(score, accuracy),
        delta=delta,
        delta_low=low,
        delta_high=high,
        seed_noise=_seed_noise(values[:, rows]),
        verdict=BETTER if low > 0 else WORSE if high < 0 else NOT_BETTER,
    )


def _halves(n: int, rng: np.random.Generator) -> tuple[Rows, Rows]:
    order = rng.permutation(n)
    return order[: n // 2], order[n // 2 :]


def _split_half(score: FloatArray, accuracy: FloatArray, rng: np.random.Generator) -> float:
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
    """Return the difference of tau from the best baseline over split halves, and the paired bootstrap interval over all networks."""
    differences = []
    for _ in range(_SPLITS):
        here, there = _halves(len(score), rng)
        best = max(counting, key=lambda key: kendall(counting[key][here], accuracy[here]))
        differences.append(
            kendall(score[there], accuracy[there]) - kendall(counting[best][there], accuracy[there])
        )
    best = max(counting, key=lambda key: kendall(counting[key], accuracy))

    def difference(rows: Rows) -> float:
        return kendall(score[rows], accuracy[rows]) - kendall(counting[best][rows], accuracy[rows])

    low, high = paired_bootstrap(difference, len(score), rng, resamples=500)
    return float(np.mean(differences)), low, high


def _seed_noise(values: FloatArray) -> float | None:
    if len(values) < 2:
        return None
    between = float(values.mean(axis=0).std(ddof=1))
    return float(np.sqrt(values.var(axis=0, ddof=1).mean())) / between if between else None
