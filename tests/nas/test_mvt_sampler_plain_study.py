"""The sampler in a study of somebody else."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import optuna
import pytest

from mvt_nas._typing import FloatArray
from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.errors import MetricError, SpaceError
from mvt_nas.nas.mvt.sampler import MvtSampler
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.studies.optuna_study import quiet_optuna
from mvt_nas.space.search_space import load_space
from tests.support.sampler_studies import optimise, problem, proposed_rows, quiet_study
from tests.support.searches import small_space


def test_known_budgets_hold_for_every_proposal() -> None:
    sampler = MvtSampler(
        load_space("tiny"), ["mine:max", "macs:min"], ["params<=330k"], seed=0, batch=8
    )
    study = quiet_study(["maximize", "minimize"], sampler)
    params: list[int] = []

    def value(architecture: Any) -> tuple[float, float]:
        params.append(count(architecture).params)
        return -abs(params[-1] - 300_000.0), count(architecture).macs

    proposed_rows(study, sampler, value, 32)
    assert 100_000 < max(params) <= 330_000


def test_failed_trials_are_not_proposed_again() -> None:
    there = problem(small_space(), "macs")
    sampler = MvtSampler(there.feasibility, there.objectives, seed=0)
    study = quiet_study(["maximize", "minimize"], sampler)
    space = there.feasibility.space

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        row = space.encode(sampler.suggest(trial))
        if row.sum() % 3 == 0:
            raise ValueError("no luck")
        return tuple(there.scores(row[None])[0])

    optimise(study, objective, 40, catch=(ValueError,))
    rows = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(rows)) == 40
    assert {trial.state.name for trial in study.trials} == {"COMPLETE", "FAIL"}


def test_trials_that_run_are_not_proposed_again() -> None:
    there = problem(small_space(), "macs")
    sampler = MvtSampler(there.feasibility, there.objectives, seed=0)
    study = quiet_study(["maximize", "minimize"], sampler)
    space = there.feasibility.space
    waiting: list[tuple[optuna.Trial, FloatArray]] = []
    for number in range(36):
        trial = study.ask()
        waiting.append((trial, there.scores(space.encode(sampler.suggest(trial))[None])[0]))
        if number % 3 == 2:  # the last one first
            last, values = waiting.pop()
            study.tell(last, values.tolist())
    rows = [tuple(trial.params.values()) for trial in study.trials]
    assert len(set(rows)) == len(rows) == 36


def test_without_objectives_all_of_the_study_are_costly() -> None:
    sampler = MvtSampler(load_space("tiny"), seed=0, batch=8)
    study = quiet_study(["minimize"], sampler)
    proposed_rows(study, sampler, lambda architecture: abs(count(architecture).macs - 6e6), 40)
    best = [abs(trial.values[0]) for trial in study.trials]
    assert min(best[16:]) < min(best[:16])
    assert np.median(best[16:]) < 0.3 * np.median(best[:16])


def test_budgets_that_nothing_meets_are_one_line() -> None:
    sampler = MvtSampler(load_space("tiny"), ["mine:max", "macs:min"], ["params<=10k"])
    study = quiet_study(["maximize", "minimize"], sampler)
    with pytest.raises(
        SpaceError,
        match=r"no architecture of tiny meets all budgets \(params<=10000: tightest <=\d+ alone",
    ):
        study.ask(sampler.distributions)


def test_what_is_not_known_of_the_space_is_refused() -> None:
    with pytest.raises(MetricError, match="accuracy is not known of tiny; known are params, macs"):
        MvtSampler(load_space("tiny"), ["accuracy", "macs"])


@pytest.mark.parametrize("batch", [1, 4])
def test_threads_of_a_study_get_different_architectures(batch: int) -> None:
    sampler = MvtSampler(load_space("tiny"), ["score:max", "macs:min"], seed=0, batch=batch)
    with quiet_optuna():
        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        architecture = sampler.suggest(trial)
        time.sleep(0.002)
        return float(architecture.stem_width), 0.0

    study.optimize(objective, n_trials=40, n_jobs=4)
    assert len({tuple(trial.params.values()) for trial in study.trials}) == 40


def test_a_second_study_is_no_repetition_of_the_first() -> None:
    def proposals(sampler: MvtSampler, sign: float) -> list[tuple[int, ...]]:
        with quiet_optuna():
            study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        study.optimize(lambda trial: (sign * sampler.suggest(trial).stem_width, 0.0), n_trials=30)
        return [tuple(trial.params.values()) for trial in study.trials]

    used, fresh = (
        MvtSampler(load_space("tiny"), ["score:max", "macs:min"], seed=0) for _ in range(2)
    )
    first = proposals(used, 1.0)
    second = proposals(used, -1.0)
    assert second == proposals(fresh, -1.0)
    assert second != first


def test_a_study_with_other_directions_is_refused() -> None:
    sampler = MvtSampler(load_space("tiny"), ["mine:max", "macs:min"])
    for directions in (["minimize", "maximize"], ["maximize"]):
        with pytest.raises(
            MetricError,
            match=r"the objectives are mine:max, macs:min, but the study's directions are m",
        ):
            quiet_study(directions, sampler).ask(sampler.distributions)


def test_known_budgets_hold_beside_those_of_the_space() -> None:
    space = load_space("tiny")
    feasibility = Feasibility(
        Predictors(CostTable(space, num_classes=10)), [Budget.parse("params>=200k")]
    )
    sampler = MvtSampler(feasibility, ["mine:max", "macs:min"], ["params<=330k"], seed=0, batch=8)
    study = quiet_study(["maximize", "minimize"], sampler)
    params: list[int] = []

    def value(architecture: Any) -> tuple[float, float]:
        params.append(count(architecture, num_classes=10).params)
        return float(params[-1]), count(architecture).macs

    proposed_rows(study, sampler, value, 24)
    assert 200_000 <= min(params) < max(params) <= 330_000
