"""Hypervolumes that samplers find, times of their proposals, and results of default searches.

The problems and searches are those of ``mvt-nas bench samplers``. Figures are hypervolumes as
shares of that of the best front: medians over seeds, with the minimum and the maximum; for noisy
problems those of the true values. The time of a proposal is the time of a search per trial, since
evaluations take none.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from optuna.trial import FrozenTrial, create_trial

from benchmarks._figures import Figure, figure
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.nas.api import search
from mvt_nas.nas.benchmark.problem import PROBLEMS
from mvt_nas.nas.benchmark.runs import CHECKPOINTS, SAMPLERS, compared
from mvt_nas.nas.benchmark.unrelated import RandomEffects
from mvt_nas.nas.mvt.memory import SearchMemory
from mvt_nas.nas.mvt.planner import Planner
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.studies.optuna_study import distributions
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace, load_space

SEEDS = 10
TRIALS = 400
OBSERVED, BATCH, REPEATS = 500, 16, 3
COSTS = ("macs", "params", "memory_mb")
DEFAULT_SEEDS, DEFAULT_TRIALS = 3, 240


def run() -> list[Figure]:
    """Return the figures of the problems, of large batches, and of default searches."""
    figures: list[Figure] = []
    for name in PROBLEMS.names():
        figures += _problem(name)
    for space in ("small_images", "mobilevit"):
        for count in range(1, len(COSTS) + 1):
            figures += _batches(space, COSTS[:count])
    return figures + _default_search()


def _problem(name: str) -> list[Figure]:
    """Return shares of hypervolume and seconds, by sampler and number of evaluations."""
    problem = PROBLEMS.get(name)()
    found = compared(problem, SAMPLERS, SEEDS, TRIALS, lambda sampler, seed, seconds: None)
    about = f"{problem.about}; best front of {problem.front_size} points"
    figures: list[Figure] = []
    for sampler, searches in found.items():
        for trials in CHECKPOINTS:
            shares = [search.shares[trials] for search in searches]
            figures.append(
                figure(f"{name}, {sampler}, {trials} evaluations", shares, "of the best", about)
            )
        seconds = [search.seconds / TRIALS for search in searches]
        figures.append(
            figure(f"{name}, {sampler}, one proposal", seconds, "s", f"mean over {TRIALS}")
        )
    return figures


def _batches(space_name: str, costs: Sequence[str]) -> list[Figure]:
    """Return the seconds of a batch after many evaluations, and the mean seconds of a candidate.

    The evaluations are those of candidates that the sampler itself has proposed.
    """
    feasibility = Feasibility(Predictors(CostTable(load_space(space_name))), [])
    score = Metric("made_up_score", Direction.MAX, Source.EXTERNAL)
    objectives = [Objective(score, score.direction), *map(Objective.parse, costs)]
    problem = OptimizationProblem.of(feasibility, objectives, [])
    truth = RandomEffects(feasibility.known)
    planner = Planner(problem, feasibility, 0, SearchMemory())
    trials: list[FrozenTrial] = []
    spent = 0.0
    while len(trials) < OBSERVED:
        rows, seconds = _planned(planner, trials)
        spent += seconds
        trials += [
            _trial(feasibility.space, row, [value, *[0.0] * len(costs)])
            for row, value in zip(rows, truth(rows), strict=True)
        ]
    observed = trials[:OBSERVED]
    continued = [_planned(planner, observed)[1] for _ in range(REPEATS)]
    restarted = []
    for _ in range(REPEATS):
        fresh = Planner(problem, feasibility, 0, SearchMemory())
        restarted.append(_planned(fresh, observed)[1])
    about = f"{space_name}, {len(objectives)} objectives, one of them costly"
    return [
        figure(f"{about}: a batch of {BATCH} after {OBSERVED} evaluations", continued, "s"),
        figure(f"{about}: the same in a new process", restarted, "s", "kernels are fitted again"),
        figure(f"{about}: one candidate", [spent / len(trials)], "s", f"mean over {len(trials)}"),
    ]


def _planned(planner: Planner, trials: Sequence[FrozenTrial]) -> tuple[Rows, float]:
    """Return a batch and its seconds."""
    start = time.perf_counter()
    rows = planner.plan(trials, BATCH)
    return rows, time.perf_counter() - start


def _trial(space: SearchSpace, row: Rows, values: Sequence[float]) -> FrozenTrial:
    """Return a finished trial; the sampler does not read known objectives from its values."""
    codes = distributions(space)
    return create_trial(
        values=values, params=dict(zip(codes, row.tolist(), strict=True)), distributions=codes
    )


def _default_search() -> list[Figure]:
    """Return hypervolumes and seconds of searches with the default objectives, all known."""
    figures: list[Figure] = []
    random_volumes = [_search("random", seed)[0] for seed in range(DEFAULT_SEEDS)]
    for sampler in ("mvt", "nsga2"):
        found = [_search(sampler, seed) for seed in range(DEFAULT_SEEDS)]
        shares = [
            volume / random_volume
            for (volume, _), random_volume in zip(found, random_volumes, strict=True)
        ]
        about = (
            f"mobilevit, accuracy, latency and parameters, {DEFAULT_TRIALS} evaluations, {sampler}"
        )
        figures.append(
            figure(
                f"{about}: hypervolume",
                shares,
                "of random's",
                "of random search with the same seed, which has the same reference point",
            )
        )
        figures.append(figure(f"{about}: whole search", [seconds for _, seconds in found], "s"))
    return figures


def _search(sampler: str, seed: int) -> tuple[float, float]:
    """Return the hypervolume that a search finds, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = search(
            "mobilevit", trials=DEFAULT_TRIALS, sampler=sampler, seed=seed, out=Path(folder) / "run"
        )
        return result.run.hypervolume(), time.perf_counter() - start
