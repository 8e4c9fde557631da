"""Runs of made-up candidates with given scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace
from tests.support.searches import small_space


def run_with(
    scores: Sequence[Mapping[str, float]],
    objectives: Sequence[str],
    *,
    space: SearchSpace | None = None,
    rows: Rows | None = None,
    budgets: Sequence[str] = (),
    reference: Mapping[str, float] | None = None,
    origins: Mapping[int, str] | None = None,
) -> Run:
    """Return a run, which is on no disk, with a candidate for each mapping of metrics to values.

    Args:
        scores: Scores of the candidates, of which candidate 0 is the first.
        objectives: Objectives, in their own direction where none is given.
        space: The space; by default the small one.
        rows: Rows of the candidates in the space; by default a sample.
        budgets: Budgets of the run.
        reference: Reference point of the hypervolume; by default the origin.
        origins: Origins of candidates that the sampler did not propose, by number.
    """
    space = small_space() if space is None else space
    rows = space.sample(len(scores), 0) if rows is None else rows
    parsed = tuple(Objective.parse(name) for name in objectives)
    config = RunConfig(
        space=space.document,
        space_hash=space.hash,
        objectives=parsed,
        budgets=tuple(Budget.parse(text) for text in budgets),
        trials=len(scores),
        sampler="random",
        reference={one.name: 0.0 for one in parsed} | dict(reference or {}),
    )
    candidates = {
        number: Candidate(
            number,
            str(number),
            tuple(row.tolist()),
            "complete",
            dict(values),
            origin=(origins or {}).get(number, "sampler"),
        )
        for number, (row, values) in enumerate(zip(rows, scores, strict=True))
    }
    return Run(Path("somewhere"), config, space, candidates)


def run_of_points(
    points: Sequence[tuple[float, float]],
    origins: Mapping[int, str] | None = None,
    rows: Rows | None = None,
) -> Run:
    """Return a run of two objectives, an accuracy and MACs.

    Args:
        points: Trained accuracy and MACs of each candidate; it has as many parameters as MACs.
        origins: Origins of candidates that the sampler did not propose, by number.
        rows: Rows of the candidates in the small space; by default a sample.
    """
    scores = [{"trained_accuracy": top1, "macs": macs, "params": macs} for top1, macs in points]
    objectives = ("trained_accuracy:max", "macs:min")
    return run_with(scores, objectives, rows=rows, reference={"macs": 100.0}, origins=origins)
