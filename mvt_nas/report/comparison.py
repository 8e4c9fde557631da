"""Comparison of several runs by hypervolume and coverage of their fronts.

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

# Settings that determine the values of the objectives, in the order of `_settings`.
_SAME = ("num_classes", "devices", "accuracy", "scoring", "training")


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Comparison of one run with the others.

    Attributes:
        run: Folder of the run.
        sampler: Name of the sampler.
        seed: Seed of the search.
        candidates: Number of candidates.
        front: Number of candidates on the run's own front.
        share: Hypervolume of the front, as a share of that of the joint front.
        joint: Number of candidates on the joint front.
        covered: Share of the front that other runs dominate.
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
    """Return the comparison of each run with the others, in the given order.

    Raises:
        RunError: There are fewer than two runs, their objectives or settings differ, or a run has
            no complete candidate.
    """
    _check(runs)
    directions = runs[0].directions
    fronts = [run.scores(run.front()) for run in runs]
    union = np.vstack(fronts)
    joint_front = union[pareto_front(union, directions)]
    reference = _reference(union, directions)
    volume = hypervolume(joint_front, directions, reference)
    joint = {tuple(row) for row in joint_front.tolist()}
    return [
        _compare(run, front, fronts, joint, hypervolume(front, directions, reference) / volume)
        for run, front in zip(runs, fronts, strict=True)
    ]


def _reference(scores: FloatArray, directions: Sequence[str]) -> FloatArray:
    """Return a reference point that all scores dominate, (objectives,).

    In a column without a range it is worse than the value by the magnitude of the value.
    """
    signs = cost_signs(directions)
    beyond = np.where(np.ptp(scores, axis=0) > 0, 0.0, np.maximum(np.abs(scores).max(axis=0), 1.0))
    return np.asarray(reference_point(scores, directions, _MARGIN) + signs * beyond)


def _compare(
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
        raise RunError("a comparison needs two runs or more")
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
                raise RunError(
                    f"{run.folder}: {name} is {here or 'none'}, but {there or 'none'} in"
                    f" {runs[0].folder}; only the same can be compared"
                )
    for run in runs:
        if not run.complete():
            raise RunError(f"{run.folder}: no candidate is complete")


def _settings(run: Run) -> tuple[object, ...]:
    """Return the settings that determine the values of the objectives, in the order of `_SAME`."""
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
