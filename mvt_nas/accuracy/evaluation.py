"""``mvt-nas accuracy evaluate``: how good the surrogate is, beside counting, and how good anything could be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.design import MATCHED
from mvt_nas.accuracy.features import FEATURES, features
from mvt_nas.accuracy.rank_correlation import kendall, noise_ceiling, paired_bootstrap
from mvt_nas.accuracy.surrogate import HeldOutPredictions, Surrogate, cross_validate
from mvt_nas.accuracy.trained_networks import DistinctNetworks
from mvt_nas.errors import AccuracyError

_DIGITS = 5
_LEAST_NEW = 3


@dataclass(frozen=True, slots=True)
class SurrogateEvaluation:
    """The surrogate judged on networks that it had not seen.

    Attributes:
        figures: see :func:`evaluate`.
        held_out: the predictions.
        networks: the table.
    """

    figures: dict[str, Any]
    held_out: HeldOutPredictions
    networks: DistinctNetworks


def evaluate(networks: DistinctNetworks, *, seed: int = 0) -> SurrogateEvaluation:
    """Return the figures of the surrogate in nested cross-validation.

    They are ``n``, ``tau`` and ``tau_matched`` (in the panel of equal size), those of params, MACs
    and the mean of their ranks, ``delta_low`` and ``delta_high`` (95 % paired bootstrap interval of
    the difference from the best of these), the noise ceilings of both (what a perfect prediction
    would reach against one training; ``None`` where no network was trained twice), ``mae`` in
    percentage points, ``coverage90`` and ``coverage_n``.
    """
    found = cross_validate(networks, seed=seed)
    rng = np.random.default_rng(seed)
    accuracy, matched = networks.accuracy, networks.in_panel(MATCHED)
    counting = _counting(networks)
    best = max(counting, key=lambda name: kendall(counting[name], accuracy))

    def difference(rows: NDArray[np.intp]) -> float:
        return kendall(found.percent[rows], accuracy[rows]) - kendall(
            counting[best][rows], accuracy[rows]
        )

    low, high = paired_bootstrap(difference, len(networks), rng)
    covered = (accuracy >= found.low) & (accuracy <= found.high)
    figures: dict[str, Any] = {
        "n": len(networks),
        "tau": kendall(found.percent, accuracy),
        "tau_matched": kendall(found.percent[matched], accuracy[matched]),
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
        "mae": float(np.abs(found.percent - accuracy).mean()),
        "coverage90": float(covered.mean()),
        "coverage_n": len(covered),
    }
    rounded = {
        name: round(value, _DIGITS) if isinstance(value, float) else value
        for name, value in figures.items()
    }
    return SurrogateEvaluation(rounded, found, networks)


def evaluate_on(networks: DistinctNetworks, others: DistinctNetworks) -> dict[str, Any]:
    """Return the figures of the surrogate that is fitted to some networks on others, without those that are among the first.

    They are ``n``, ``tau``, those of params, MACs and the mean of their ranks, ``mae`` in
    percentage points, ``coverage90``.

    Raises:
        AccuracyError: fewer than three of the others are new.
    """
    known = {architecture.key for architecture in networks.architectures}
    new = np.array(
        [
            place
            for place, architecture in enumerate(others.architectures)
            if architecture.key not in known
        ],
        dtype=np.intp,
    )
    if len(new) < _LEAST_NEW:
        raise AccuracyError(
            f"{len(new)} networks are not in the table that the surrogate is fitted to; at least"
            f" {_LEAST_NEW} are needed"
        )
    found = Surrogate(networks).predict([others.architectures[place] for place in new])
    accuracy = others.accuracy[new]
    figures = {
        "n": len(new),
        "tau": kendall(found.percent, accuracy),
        **{
            f"tau_{name}": kendall(values[new], accuracy)
            for name, values in _counting(others).items()
        },
        "mae": float(np.abs(found.percent - accuracy).mean()),
        "coverage90": float(((accuracy >= found.low) & (accuracy <= found.high)).mean()),
    }
    return {
        name: round(value, _DIGITS) if isinstance(value, float) else value
        for name, value in figures.items()
    }


def _ceiling(accuracy: FloatArray, seed_sd: float, rng: np.random.Generator) -> float | None:
    return noise_ceiling(accuracy, seed_sd, rng) if seed_sd and len(accuracy) > 2 else None


def _counting(networks: DistinctNetworks) -> dict[str, FloatArray]:
    from scipy.stats import rankdata

    table = features(networks.architectures, num_classes=networks.num_classes)
    params, macs = (table[:, FEATURES.index(name)] for name in ("log params", "log macs"))
    return {"params": params, "macs": macs, "params_macs": rankdata(params) + rankdata(macs)}
