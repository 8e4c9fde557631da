"""Problems with a synthetic score, and studies of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna

from mvt_nas._typing import FloatArray
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.nas.benchmark.problem import BenchmarkProblem
from mvt_nas.nas.mvt.sampler import MvtSampler
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Objective
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.studies.optuna_study import quiet_optuna
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace


class Truth:
    """A smooth score that grows with the size and with some choices."""

    def __init__(self, known: Predictors, seed: int = 0) -> None:
        self.known = known
        self.effects = [
            np.random.default_rng([seed, number]).standard_normal(len(d.values))
            for number, d in enumerate(known.space.dimensions)
        ]

    def __call__(self, rows: Rows) -> FloatArray:
        single = sum(effect[rows[:, column]] for column, effect in enumerate(self.effects))
        return np.asarray(
            single + 2.0 * np.log(np.asarray(self.known.of(rows)["macs"], dtype=float))
        )


def problem(space: SearchSpace, *costs: str, noise_sd: float = 0.0) -> BenchmarkProblem:
    feasibility = Feasibility(Predictors(CostTable(space, num_classes=10)), [])
    score = Metric("made_up", Direction.MAX, Source.EXTERNAL)
    objectives = (Objective(score, score.direction), *map(Objective.parse, costs))
    return BenchmarkProblem("", feasibility, objectives, Truth(feasibility.known), noise_sd)


def quiet_study(directions: Sequence[str], sampler: MvtSampler) -> optuna.Study:
    with quiet_optuna():
        return optuna.create_study(directions=list(directions), sampler=sampler)


def optimise(study: optuna.Study, objective: Any, trials: int, **options: Any) -> None:
    with quiet_optuna():
        study.optimize(objective, n_trials=trials, **options)


def proposed_rows(
    study: optuna.Study, sampler: MvtSampler, value: Any, trials: int
) -> list[tuple[int, ...]]:
    """Run trials whose values are a function of the architecture, and return their rows."""
    optimise(study, lambda trial: value(sampler.suggest(trial)), trials)
    return [tuple(trial.params.values()) for trial in study.trials]
