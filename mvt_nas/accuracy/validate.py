"""What training-free scores are worth: each one beside counting, on networks that were really trained.

A score may follow accuracy only because it follows size. So it is also judged with size held constant: given parameters, MACs and depth,
and in the panel of networks of one size. Signs flip between spaces, so the sign that a score deserves is taken from one half of the
networks and judged on the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas.accuracy.features import FEATURES, features
from mvt_nas.accuracy.networks import Networks
from mvt_nas.accuracy.ranking import kendall, ndcg, paired_bootstrap, partial_kendall, regret, spearman
from mvt_nas.accuracy.sampling import MATCHED

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

COUNTING = ("params", "macs", "params_macs")
BETTER, NOT_BETTER, WORSE = "better than counting", "not better than counting", "worse than counting"
_SPLITS = 100
_LEAST = 8


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score judged.

    Attributes:
        proxy: its name.
        n: networks for which it is finite; the figures are about these.
        tau: Kendall's tau with accuracy, in the direction that the score declares.
        tau_split: the same with the sign taken from one half of the networks and judged on the other, mean over 100 splits.
        spearman: Spearman's rank correlation.
        tau_partial: Kendall's tau given parameters, MACs and depth.
        tau_matched: Kendall's tau in the panel of equal size; ``None`` where there are too few networks.
        ndcg10: normalised discounted cumulative gain of its ten best.
        regret: by how many percentage points its pick falls short of the best network.
        delta: its tau minus that of the best counting baseline, which is chosen on one half and compared on the other.
        delta_low: lower end of the 95 % paired bootstrap interval of the difference from counting.
        delta_high: upper end.
        seed_noise: standard deviation over seeds as a share of that over networks; ``None`` with one seed.
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
        return {name: round(value, 5) if isinstance(value, float) else value for name, value in asdict(self).items()}


def validate(networks: Networks, scores: Mapping[str, Array], *, seed: int = 0) -> list[Verdict]:
    """Return a verdict for each score, the highest tau first.

    Args:
        networks: trained ones.
        scores: by proxy, (seeds, n), higher for better networks in the proxy's own opinion; NaN where it is not finite.
        seed: of splits and resamples.
    """
    verdicts = [
        _judge(name, values, networks, np.random.default_rng([seed, number])) for number, (name, values) in enumerate(scores.items())
    ]
    return sorted((verdict for verdict in verdicts if verdict is not None), key=lambda verdict: -verdict.tau)


def counting_scores(networks: Networks) -> dict[str, Array]:
    """Return the counting baselines in the form of scores, (1, n) each: params, MACs, the mean of their ranks."""
    from scipy.stats import rankdata

    params, macs, _ = _controls(networks).T
    return {"params": params[None], "macs": macs[None], "params_macs": (rankdata(params) + rankdata(macs))[None]}


def _controls(networks: Networks) -> Array:
    """Return log-params, log-MACs and log-depth, (n, 3)."""
    table = features(networks.architectures, num_classes=networks.num_classes)
    return table[:, [FEATURES.index(name) for name in ("log params", "log macs", "log layers")]]


def _judge(name: str, values: Array, networks: Networks, rng: np.random.Generator) -> Verdict | None:
    score = values.mean(axis=0)
    rows = np.flatnonzero(np.isfinite(score))
    if len(rows) < _LEAST:
        return None
    accuracy, controls = networks.accuracy[rows], _controls(networks)[rows]
    counting = {key: entry[0][rows] for key, entry in counting_scores(networks).items()}
    matched = np.intersect1d(rows, networks.in_panel(MATCHED))
    score = score[rows]
    delta, low, high = _against_counting(score, counting, accuracy, rng)
    return Verdict(
        proxy=name,
        n=len(rows),
        tau=kendall(score, accuracy),
        tau_split=_split_half(score, accuracy, rng),
        spearman=spearman(score, accuracy),
        tau_partial=partial_kendall(score, accuracy, controls),
        tau_matched=kendall(values.mean(axis=0)[matched], networks.accuracy[matched]) if len(matched) >= _LEAST else None,
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


def _split_half(score: Array, accuracy: Array, rng: np.random.Generator) -> float:
    taus = []
    for _ in range(_SPLITS):
        here, there = _halves(len(score), rng)
        sign = 1.0 if kendall(score[here], accuracy[here]) >= 0 else -1.0
        taus.append(sign * kendall(score[there], accuracy[there]))
    return float(np.mean(taus))


def _against_counting(score: Array, counting: Mapping[str, Array], accuracy: Array, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return the difference of tau from the best baseline over split halves, and the paired bootstrap interval over all networks."""
    differences = []
    for _ in range(_SPLITS):
        here, there = _halves(len(score), rng)
        best = max(counting, key=lambda key: kendall(counting[key][here], accuracy[here]))
        differences.append(kendall(score[there], accuracy[there]) - kendall(counting[best][there], accuracy[there]))
    best = max(counting, key=lambda key: kendall(counting[key], accuracy))

    def difference(rows: Rows) -> float:
        return kendall(score[rows], accuracy[rows]) - kendall(counting[best][rows], accuracy[rows])

    low, high = paired_bootstrap(difference, len(score), rng, resamples=500)
    return float(np.mean(differences)), low, high


def _seed_noise(values: Array) -> float | None:
    if len(values) < 2:
        return None
    between = float(values.mean(axis=0).std(ddof=1))
    return float(np.sqrt(values.var(axis=0, ddof=1).mean())) / between if between else None
