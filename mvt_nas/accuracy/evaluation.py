"""Evaluation of the surrogate, compared with counting and with the best possible prediction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.accuracy.design import MATCHED
from mvt_nas.accuracy.features import FEATURES, features
from mvt_nas.accuracy.ranking_metrics import kendall, noise_ceiling, paired_bootstrap
from mvt_nas.accuracy.surrogate import HeldOutPredictions, Surrogate, cross_validate
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.errors import AccuracyError

_DIGITS = 5
_LEAST_NEW = 3


@dataclass(frozen=True, slots=True)
class SurrogateEvaluation:
    """Evaluation of the surrogate on held-out networks.

    Attributes:
        figures: Figures by name, see :func:`evaluate`.
        held_out: Predictions of held-out networks.
        networks: Networks of the table.
    """

    figures: dict[str, Any]
    held_out: HeldOutPredictions
    networks: DistinctNetworks


def evaluate(networks: DistinctNetworks, *, seed: int = 0) -> SurrogateEvaluation:
    """Return the figures of the surrogate in nested cross-validation.

    The figures are:

    - ``n``: number of networks; ``n_matched``: of those, networks of equal size;
    - ``tau`` and ``tau_matched``: Kendall's tau of the predictions over all networks, and over
      those of equal size;
    - ``tau_params``, ``tau_macs`` and ``tau_params_macs``: those of the counting baselines
      parameters, MACs, and the mean of their ranks; ``best_counting`` is the best of them;
    - ``delta_low`` and ``delta_high``: 95 % paired bootstrap interval of the difference in tau from
      the best baseline;
    - ``noise_ceiling`` and ``noise_ceiling_matched``: the tau of a perfect prediction against one
      training each; ``None`` if no network was trained twice;
    - ``seed_sd``: standard deviation over seeds, in percentage points;
    - ``mae``: mean absolute error in percentage points;
    - ``coverage90``: share of the ``coverage_n`` networks whose accuracy is in the 90 % interval.
    """
    predicted = cross_validate(networks, seed=seed)
    rng = np.random.default_rng(seed)
    accuracy = networks.accuracy
    matched = networks.in_subset(MATCHED)
    counting = _counting(networks)
    best = max(counting, key=lambda name: kendall(counting[name], accuracy))

    def difference(rows: IndexArray) -> float:
        return kendall(predicted.percent[rows], accuracy[rows]) - kendall(
            counting[best][rows], accuracy[rows]
        )

    low, high = paired_bootstrap(difference, len(networks), rng)
    covered = (accuracy >= predicted.low) & (accuracy <= predicted.high)
    # The bootstrap and both ceilings draw from one generator, in this order.
    figures: dict[str, Any] = {
        "n": len(networks),
        "tau": kendall(predicted.percent, accuracy),
        "tau_matched": kendall(predicted.percent[matched], accuracy[matched]),
        "n_matched": len(matched),
        **{f"tau_{name}": kendall(values, accuracy) for name, values in counting.items()},
        "best_counting": best,
        "delta_low": low,
        "delta_high": high,
        "noise_ceiling": (
            noise_ceiling(networks.single, networks.seed_sd, rng) if networks.seed_sd else None
        ),
        "noise_ceiling_matched": (
            noise_ceiling(networks.single[matched], networks.seed_sd, rng)
            if networks.seed_sd and len(matched) > 2
            else None
        ),
        "seed_sd": networks.seed_sd,
        "mae": float(np.abs(predicted.percent - accuracy).mean()),
        "coverage90": float(covered.mean()),
        "coverage_n": len(covered),
    }
    return SurrogateEvaluation(_rounded(figures), predicted, networks)


def evaluate_on(networks: DistinctNetworks, others: DistinctNetworks) -> dict[str, Any]:
    """Return the figures on other networks of the surrogate fitted to some networks.

    Networks that are in both are left out. The figures are ``n``, ``tau`` and those of the counting
    baselines, ``mae`` and ``coverage90``, as in :func:`evaluate`.

    Args:
        networks: Networks that the surrogate is fitted to.
        others: Networks to evaluate it on.

    Raises:
        AccuracyError: fewer than three of the others are new.
    """
    known = {architecture.key for architecture in networks.architectures}
    new = np.flatnonzero([architecture.key not in known for architecture in others.architectures])
    if len(new) < _LEAST_NEW:
        raise AccuracyError(
            f"{len(new)} networks are not in the table that the surrogate is fitted to; at least"
            f" {_LEAST_NEW} are needed"
        )
    predicted = Surrogate(networks).predict([others.architectures[row] for row in new])
    accuracy = others.accuracy[new]
    covered = (accuracy >= predicted.low) & (accuracy <= predicted.high)
    counting = _counting(others)
    return _rounded(
        {
            "n": len(new),
            "tau": kendall(predicted.percent, accuracy),
            **{f"tau_{name}": kendall(values[new], accuracy) for name, values in counting.items()},
            "mae": float(np.abs(predicted.percent - accuracy).mean()),
            "coverage90": float(covered.mean()),
        }
    )


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        name: round(value, _DIGITS) if isinstance(value, float) else value
        for name, value in figures.items()
    }


def _counting(networks: DistinctNetworks) -> dict[str, FloatArray]:
    """Return the counting baselines: parameters, MACs, and the sum of their ranks, (n,) each."""
    from scipy.stats import rankdata

    values = features(networks.architectures, num_classes=networks.num_classes)
    params, macs = (values[:, FEATURES.index(name)] for name in ("log params", "log macs"))
    return {"params": params, "macs": macs, "params_macs": rankdata(params) + rankdata(macs)}
