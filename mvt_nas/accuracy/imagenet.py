"""Estimate of a network's top-1 accuracy on ImageNet, fitted to the 19 published models.

Nineteen points allow few coefficients: a quadratic in the logarithm of parameters, a line in the
logarithm of MACs, and a constant per family. The estimate holds for the published recipes (300
epochs and more) and says nothing about any other dataset. It is reported with its error, measured
by leaving models out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.ranking_metrics import kendall
from mvt_nas.cost.counts import count
from mvt_nas.space.architecture import CONV, Architecture
from mvt_nas.space.columns import Columns, Rows
from mvt_nas.space.published import published, published_names
from mvt_nas.space.search_space import SearchSpace

# Ridge on the standardised columns: enough to keep families with three members from fitting
# themselves.
_RIDGE = 0.1
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class ImageNetEstimate:
    """An estimate in percent.

    Attributes:
        percent: Top-1 accuracy on ImageNet-1k at the network's resolution.
        error: Mean absolute error over the published models, in percentage points: with one model
            left out at a time for a published model, with a whole family left out for any other
            network, which belongs to no family.
        inside: Whether parameters and MACs are in the range of the published models.
    """

    percent: float
    error: float
    inside: bool


@dataclass(frozen=True, slots=True)
class ImageNetErrors:
    """Errors of the estimate in cross-validation over the published models.

    Attributes:
        leave_one_out: Mean absolute error with one model left out, in percentage points.
        tau: Kendall's tau of the estimates of left-out models.
        tau_params: Kendall's tau of the number of parameters.
        leave_family_out: Mean absolute error of each family with the whole family left out.
        leave_size_out: Mean absolute error with all models of about one size left out.
    """

    leave_one_out: float
    tau: float
    tau_params: float
    leave_family_out: dict[str, float]
    leave_size_out: float

    @property
    def other_family(self) -> float:
        """Expected error for a network of no published family: the mean of the families' errors."""
        return float(np.mean(list(self.leave_family_out.values())))


def imagenet_top1(architecture: Architecture) -> ImageNetEstimate:
    """Return the estimate for an architecture of any resolution and mixture of blocks."""
    models, _ = _published()
    features = _features([architecture])
    percent = _fitted()(features)[0]
    sizes = _published_features()[:, :2]
    inside = bool(
        np.all((features[0, :2] >= sizes.min(axis=0)) & (features[0, :2] <= sizes.max(axis=0)))
    )
    errors = imagenet_errors()
    return ImageNetEstimate(
        float(percent),
        errors.leave_one_out if architecture in models else errors.other_family,
        inside,
    )


def imagenet_top1_of_rows(
    space: SearchSpace, rows: Rows, params: NDArray[np.int64], macs: NDArray[np.int64]
) -> FloatArray:
    """Return the estimates for encoded architectures in percent, (n,).

    Args:
        space: Space of the rows.
        rows: Encoded architectures (n, dimensions).
        params: Parameters with 1000 classes, (n,).
        macs: MACs with 1000 classes, (n,).
    """
    return _fitted()(np.column_stack([np.log(params), np.log(macs), *_shares(space, rows)]))


def _shares(space: SearchSpace, rows: Rows) -> tuple[FloatArray, FloatArray]:
    """Return the shares of blocks with separable attention and with local fusion, (n,) each."""
    columns = Columns(space.plan, rows)
    blocks, separable, local = (np.zeros(len(rows)) for _ in range(3))
    for number in range(1, space.plan.stages + 1):
        there = columns.value(f"stage{number}.block") != CONV
        blocks += there
        for found, name, value in (
            (separable, "attention", "separable"),
            (local, "fusion", "local"),
        ):
            path = f"stage{number}.{name}"
            if path in space.plan.nodes:
                found += there & columns.active(path) & (columns.value(path) == value)
    return separable / np.maximum(blocks, 1), local / np.maximum(blocks, 1)


@cache
def imagenet_errors() -> ImageNetErrors:
    """Return the errors of the estimate on published models that it was not fitted to."""
    models, top1 = _published()
    features = _published_features()
    alone = _left_out(features, top1, [np.array([index]) for index in range(len(models))])
    families = np.array([_family(name) for name in published_names()])
    by_family = {name: np.flatnonzero(families == name) for name in dict.fromkeys(families)}
    sizes = np.array_split(np.argsort(features[:, 0]), 5)
    return ImageNetErrors(
        leave_one_out=float(np.abs(alone - top1).mean()),
        tau=kendall(alone, top1),
        tau_params=kendall(features[:, 0], top1),
        leave_family_out={
            name: float(np.abs(_left_out(features, top1, [rows])[rows] - top1[rows]).mean())
            for name, rows in by_family.items()
        },
        leave_size_out=float(np.abs(_left_out(features, top1, sizes) - top1).mean()),
    )


@cache
def _published() -> tuple[list[Architecture], FloatArray]:
    models = [published(name) for name in published_names()]
    top1 = np.array([model.imagenet_top1 for model in models])
    return [model.architecture for model in models], top1


@cache
def _published_features() -> FloatArray:
    return _features(_published()[0])


@cache
def _fitted() -> Callable[[FloatArray], FloatArray]:
    return _fit(_published_features(), _published()[1])


def _family(name: str) -> str:
    """Return ``v1``, ``v2`` or ``v3``."""
    return {"mobilevit_": "v1", "mobilevitv2_": "v2", "mobilevitv3_": "v3"}[
        name[: name.index("_") + 1]
    ]


def _features(architectures: Sequence[Architecture]) -> FloatArray:
    """Return log-params, log-MACs, and the shares of blocks of both kinds, (n, 4)."""
    rows = []
    for architecture in architectures:
        counts = count(architecture)
        blocks = [stage.block for stage in architecture.stages if stage.block is not None]
        separable = (
            np.mean([getattr(block, "attention", None) == "separable" for block in blocks])
            if blocks
            else 0.0
        )
        local = (
            np.mean([getattr(block, "fusion", None) == "local" for block in blocks])
            if blocks
            else 0.0
        )
        rows.append([np.log(counts.params), np.log(counts.macs), separable, local])
    return np.array(rows, dtype=float)


def _fit(features: FloatArray, top1: FloatArray) -> Callable[[FloatArray], FloatArray]:
    """Return the fitted function from features (n, columns) to percent (n,)."""
    centre, scale = features[:, :2].mean(axis=0), features[:, :2].std(axis=0)

    def design(rows: FloatArray) -> FloatArray:
        params, macs = ((rows[:, :2] - centre) / scale).T
        return np.column_stack(
            [np.ones(len(rows)), params, params**2, macs, rows[:, 2], rows[:, 3]]
        )

    columns = design(features)
    # Ridge regression by the normal equations; the constant is not penalised.
    penalty = _RIDGE * np.diag([0.0, *np.ones(columns.shape[1] - 1)])
    solution = np.linalg.solve(columns.T @ columns + penalty, columns.T @ top1)
    # Summed column by column: the last digit of a matrix product may depend on the number of rows.
    return lambda rows: np.clip(
        np.sum(design(rows).T * solution[:, None], axis=0), 0.0, 100.0
    ).round(_DIGITS)


def _left_out(
    features: FloatArray, top1: FloatArray, parts: Sequence[NDArray[np.intp]]
) -> FloatArray:
    """Return the estimates of the models in each part, fitted to all others; NaN elsewhere."""
    result = np.full(len(top1), np.nan)
    for part in parts:
        rest = np.setdiff1d(np.arange(len(top1)), part)
        result[part] = _fit(features[rest], top1[rest])(features[part])
    return result
