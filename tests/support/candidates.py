"""Runs of made-up candidates with given scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from tests.support.searches import small_space


def run_with(scores: Sequence[Mapping[str, float]], objectives: Sequence[str]) -> Run:
    """Return a run, which is on no disk, with a candidate for each mapping of metrics to values.

    Args:
        scores: Scores of the candidates, of which candidate 0 is the first.
        objectives: Objectives in their own direction.
    """
    space = small_space()
    rows = space.sample(len(scores), 0)
    parsed = tuple(Objective.parse(name) for name in objectives)
    config = RunConfig(
        space=space.document,
        space_hash=space.hash,
        objectives=parsed,
        budgets=(),
        trials=len(scores),
        sampler="random",
        reference={one.name: 0.0 for one in parsed},
    )
    candidates = {
        number: Candidate(number, str(number), tuple(row.tolist()), "complete", dict(values))
        for number, (row, values) in enumerate(zip(rows, scores, strict=True))
    }
    return Run(Path("somewhere"), config, space, candidates)
