"""Several runs beside each other: their fronts in one box, and which of them the joint front is made of.

Source: Zitzler and Thiele, "Multiobjective evolutionary algorithms: a comparative case study"
(1999): hypervolume, and coverage of one set by another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.errors import RunError, listing
from mvt_nas.metrics.metric import Source
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import (
    cost_signs,
    dominating_points,
    hypervolume,
    pareto_front,
    reference_point,
)

_MARGIN = 0.1
_SAME = ("num_classes", "devices", "accuracy", "scoring", "training")


@dataclass(frozen=True, slots=True)
class RunComparison:
    """One run among others.

    Attributes:
        run: its folder.
        sampler: what proposed.
        seed: of the search.
        candidates: how many it has.
        front: how many of them are on its own front.
        share: hypervolume of its front, as a share of that of the joint front.
        joint: how many of its candidates are on the joint front.
        covered: share of its front that some other run dominates.
    """

    run: str
    sampler: str
    seed: int
    candidates: int
    front: int
    share: float
    joint: int
    covered: float


def compare_runs(runs: Sequence[Run]) -> list[RunComparison]:
    """Return each run among the others, in their order.

    Raises:
        RunError: fewer than two runs, other objectives, or one in which nothing is complete.
    """
    _check(runs)
    directions = runs[0].directions
    fronts = [run.scores(run.front()) for run in runs]
    everything = np.vstack(fronts)
    kept = everything[pareto_front(everything, directions)]
    reference = _reference(everything, directions)
    whole = hypervolume(kept, directions, reference)
    joint = {tuple(row) for row in kept.tolist()}
    return [
        _compared(run, front, fronts, joint, hypervolume(front, directions, reference) / whole)
        for run, front in zip(runs, fronts, strict=True)
    ]


def _reference(scores: FloatArray, directions: Sequence[str]) -> FloatArray:
    """Return a point that all scores dominate; where a column has no range, it lies beyond it by its own size."""
    signs = cost_signs(directions)
    beyond = np.where(np.ptp(scores, axis=0) > 0, 0.0, np.maximum(np.abs(scores).max(axis=0), 1.0))
    return np.asarray(reference_point(scores, directions, _MARGIN) + signs * beyond)


def _compared(
    run: Run,
    front: FloatArray,
    fronts: Sequence[FloatArray],
    joint: set[tuple[float, ...]],
    share: float,
) -> RunComparison:
    others = [other for other in fronts if other is not front]
    signs = cost_signs(run.directions)
    other_costs = np.vstack(others) * signs
    covered = sum(bool(dominating_points(cost, other_costs).any()) for cost in front * signs)
    on_joint = sum(tuple(row) in joint for row in front.tolist())
    config = run.config
    return RunComparison(
        str(run.folder),
        config.sampler,
        config.seed,
        len(run.candidates),
        len(front),
        share,
        on_joint,
        covered / len(front),
    )


def _check(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise RunError("two runs or more are needed to compare them")
    first = [str(objective) for objective in runs[0].config.objectives]
    for run in runs[1:]:
        own = [str(objective) for objective in run.config.objectives]
        if own != first:
            raise RunError(
                f"{run.folder}: objectives {listing(own)}, but {runs[0].folder} has"
                f" {listing(first)}; only the same can be compared"
            )
        for name, there, here in zip(_SAME, _settings(runs[0]), _settings(run), strict=True):
            if there != here:
                words = f"{name} is {here or 'none'}, but {there or 'none'} in {runs[0].folder}"
                raise RunError(f"{run.folder}: {words}; only the same can be compared")
    for run in runs:
        if not run.complete():
            raise RunError(f"{run.folder}: no candidate is complete")


def _settings(run: Run) -> tuple[object, ...]:
    """Return what decides on the values of the objectives, in the order of their names."""
    config = run.config
    proxies = any(objective.metric.source is Source.PROXY for objective in config.objectives)
    training = config.training and {
        name: value
        for name, value in config.training.to_dict().items()
        if name not in ("data", "device")
    }
    return (
        config.num_classes,
        dict(config.devices),
        dict(config.accuracy),
        config.scoring if proxies else None,
        training,
    )
