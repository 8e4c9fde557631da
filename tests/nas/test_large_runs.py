"""Long searches: the cost of one more candidate does not grow. Counted, not timed."""

from __future__ import annotations

import copy
import gc
import weakref
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from mvt_nas.cli.front import print_front
from mvt_nas.cli.search_progress import SearchProgress
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.api import search
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget, Objective, parse_objectives
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.problem.repair import Repair
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.incremental_hypervolume import IncrementalHypervolume
from mvt_nas.nas.runs.run import Run
from mvt_nas.nas.runs.store import read
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext
from mvt_nas.nas.studies.optuna_compat import TrialStorage, all_trials
from mvt_nas.nas.studies.optuna_study import (
    CandidateSampler,
    SearchStudy,
    distributions,
    optuna_directions,
    quiet_optuna,
)
from mvt_nas.nas.studies.optuna_trials import JoinedTrials, visible_trials
from mvt_nas.pareto import pareto_front
from mvt_nas.report.plots import draw_plot
from mvt_nas.space.columns import Rows
from tests.support.searches import breed_early, small_space

OBJECTIVES = tuple(parse_objectives(["log_synflow:max", "macs:min"]))
BUDGET = Budget.parse("log_synflow>=20")
POPULATION, BATCH = 8, 4


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    # Both small would leave a front of one.
    costs = [Objective(Metric.parse("macs"), Direction.MAX), Objective.parse("params:min")]
    return search(
        small_space(),
        objectives=costs,
        trials=120,
        sampler="random",
        out=tmp_path_factory.mktemp("large") / "run",
    ).run


def told(number: int, row: Rows) -> Candidate:
    """Return a candidate with scores made up from its row; some fail, some break the budget."""
    scores = {"log_synflow": float(row.sum()) * 3.7, "macs": float(row @ np.arange(len(row))[::-1])}
    if number % 7 == 3:
        return Candidate(
            number,
            "",
            tuple(row.tolist()),
            "failed",
            {"macs": scores["macs"]},
            "RuntimeError: none",
        )
    return Candidate(
        number,
        "",
        tuple(row.tolist()),
        "infeasible" if scores["log_synflow"] < 20 else "complete",
        scores,
    )


@cache
def feasibility() -> Feasibility:
    return Feasibility(Predictors(CostTable(small_space())), [])


def sampler_for(name: str, number: int) -> BaseSampler:
    return SAMPLERS.get(name)(SamplerContext(number, 0, number, feasibility(), OBJECTIVES))


def proposed(name: str, trials: int) -> tuple[list[list[int]], SearchStudy]:
    """Return what a sampler proposes in a study of ours, told as it comes, and the study."""
    study, rows = SearchStudy(small_space(), OBJECTIVES, [BUDGET]), []
    for start in range(0, trials, BATCH):
        batch = [
            study.ask(sampler_for(name, number), lambda row: row)
            for number in range(start, start + BATCH)
        ]
        for number, row in enumerate(batch, start):
            study.tell(told(number, row))
        rows += [row.tolist() for row in batch]
    return rows, study


def proposed_by_optuna(name: str, trials: int) -> list[list[int]]:
    """Return the same from a study of Optuna's own, in which samplers see all trials."""
    with quiet_optuna():
        study = optuna.create_study(
            directions=optuna_directions([objective.direction for objective in OBJECTIVES])
        )
    assert type(study._storage) is InMemoryStorage
    codes, rows = distributions(small_space()), []
    for start in range(0, trials, BATCH):
        asked = []
        for number in range(start, start + BATCH):
            study.sampler = CandidateSampler(sampler_for(name, number), codes, lambda row: row)
            asked.append(study.ask(codes))
        for number, trial in enumerate(asked, start):
            rows.append([trial.params[code] for code in codes])
            candidate = told(number, np.array(rows[-1]))
            if candidate.scored:
                trial.set_constraint(str(BUDGET), BUDGET.excess(candidate.scores["log_synflow"]))
                study.tell(trial, [candidate.scores[objective.name] for objective in OBJECTIVES])
            else:
                study.tell(trial, state=TrialState.FAIL)
    return rows


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_evolution_that_sees_the_last_generation_proposes_what_it_would_seeing_all(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breed_early(monkeypatch)
    rows, study = proposed(name, 100)
    assert rows == proposed_by_optuna(name, 100)
    kept = max(
        value
        for trial in study.study.trials
        for key, value in trial.system_attrs.items()
        if key.endswith(":generation")
    )
    assert kept >= 8  # generations came and went


@pytest.mark.parametrize("name", ["nsga2", "nsga3"])
def test_evolution_is_shown_no_more_trials_late_than_early(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    breed_early(monkeypatch)
    _, study = proposed(name, 100)
    seen = visible_trials(study.study, sampler_for(name, 100)).get_trials(deepcopy=False)
    assert POPULATION <= len(seen) <= 2 * POPULATION + BATCH
    assert [trial.number for trial in seen] == sorted(trial.number for trial in seen)


def test_other_samplers_and_other_storages_are_shown_everything() -> None:
    study = SearchStudy(small_space(), OBJECTIVES, []).study
    for sampler in (RandomSampler(), TPESampler()):
        assert visible_trials(study, sampler) is study
    with quiet_optuna():
        plain = optuna.create_study()
    assert visible_trials(plain, sampler_for("nsga2", 0)) is plain


def finished_trial(value: float) -> FrozenTrial:
    codes = distributions(small_space())
    params = dict.fromkeys(codes, 0)
    return optuna.create_trial(
        value=value, params=params, distributions=codes, system_attrs={"a": 1}
    )


def test_the_storage_holds_what_optunas_would() -> None:
    def filled(storage: InMemoryStorage) -> Study:
        with quiet_optuna():
            study = optuna.create_study(storage=storage, sampler=RandomSampler(seed=0))
        for value in (3.0, 1.0, 2.0):
            study.add_trial(finished_trial(value))
        trial = study.ask(distributions(small_space()))
        study.tell(trial, 0.5)
        study.ask(distributions(small_space()))
        return study

    ours, optunas = filled(TrialStorage()), filled(InMemoryStorage())
    for name in (
        "number",
        "_trial_id",
        "params",
        "distributions",
        "values",
        "state",
        "system_attrs",
    ):
        assert [getattr(trial, name) for trial in ours.trials] == [
            getattr(trial, name) for trial in optunas.trials
        ]
    assert ours.best_trial.number == optunas.best_trial.number == 3
    with pytest.raises(ValueError, match="different distribution kind"):
        ours._storage.set_trial_param(
            4, "stage1.width", 0.5, optuna.distributions.FloatDistribution(0, 1)
        )


def test_all_trials_share_their_distributions() -> None:
    _, lost = proposed("random", 8)
    rebuilt = SearchStudy(small_space(), OBJECTIVES, [BUDGET])
    for trial in lost.study.get_trials(deepcopy=False):
        rebuilt.restore(told(trial.number, np.array(list(trial.params.values()))))
    for study in (lost, rebuilt):
        assert all(
            trial.distributions is study.distributions
            for trial in study.study.get_trials(deepcopy=False)
        )
        assert copy.deepcopy(study.study.trials[0]).distributions is study.distributions


def test_the_hypervolume_of_a_growing_run_is_that_of_the_run(finished: Run) -> None:
    front, so_far = IncrementalHypervolume(), {}
    for number in sorted(finished.candidates):
        candidate = finished.candidates[number]
        so_far[number] = replace(candidate, status="infeasible") if number % 9 == 4 else candidate
        front.add(so_far[number])
        if number % 5 == 2:
            expected = replace(finished, candidates=so_far).hypervolume()
            assert front.hypervolume(finished, exact=True) == pytest.approx(expected, rel=1e-12)


class Counting:
    """Stands in front of a function and notes of which length its first argument was."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.lengths: list[int] = []

    def __call__(self, first: Any, *rest: Any) -> Any:
        self.lengths.append(len(first))
        return self.function(first, *rest)


def test_progress_looks_at_the_front_and_what_is_new(
    finished: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counting = Counting(pareto_front)
    monkeypatch.setattr("mvt_nas.nas.runs.incremental_hypervolume.pareto_front", counting)
    monkeypatch.setattr("mvt_nas.nas.runs.incremental_hypervolume._REST", 0.0)
    so_far = {number: finished.candidates[number] for number in range(30)}
    run = replace(finished, candidates=so_far)
    with SearchProgress() as progress:
        for number in range(30, 120):
            so_far[number] = finished.candidates[number]
            progress(run, so_far[number])
    assert counting.lengths[0] == 31
    assert len(counting.lengths) == 8  # the first, six whole batches of 16, the last
    assert counting.lengths[-1] == 8 + len(
        replace(finished, candidates={n: finished.candidates[n] for n in range(112)}).front()
    )
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("120/120 candidates, ")
    assert "feasible 120, failed 0" in last
    assert progress._volume == pytest.approx(finished.hypervolume(), rel=1e-12)


def test_a_slow_look_is_not_repeated_at_once(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings = iter([100.0, 101.0, 102.0, 121.5, 121.5])
    monkeypatch.setattr(
        "mvt_nas.nas.runs.incremental_hypervolume.time.monotonic", lambda: next(readings)
    )
    front, best = IncrementalHypervolume(), finished.front()
    front.add(best[0])
    first = front.hypervolume(finished)  # from 100 to 101: no other before 121
    front.add(best[-1])
    assert front.hypervolume(finished) == first
    assert front.hypervolume(finished) > first


def test_repair_keeps_no_pools() -> None:
    repair = Repair(feasibility())
    pool = small_space().sample(64, seed=0)
    row, kept = pool[7], weakref.ref(pool)
    repair.take(row)
    assert repair.is_taken(row)
    del row, pool
    gc.collect()
    assert kept() is None


def test_the_knee_is_looked_for_once(
    finished: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looked: list[int | None] = []
    original = Run.knee

    def counted(run: Run) -> int | None:
        looked.append(original(run))
        return looked[-1]

    monkeypatch.setattr(Run, "knee", counted)
    print_front(finished)
    assert len(finished.front()) > 1
    assert looked == [original(finished)]
    assert f"candidate {looked[0]}." in capsys.readouterr().out


@pytest.mark.parametrize(("most", "images"), [(5, 1), (500, 0)])
def test_many_points_are_one_image_in_a_picture_of_shapes(
    most: int, images: int, finished: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvt_nas.report.front_figure._MOST_SHAPES", most)
    assert draw_plot(finished, tmp_path / "front.svg").read_text().count("<image") == images


def test_trials_are_joined_without_a_copy() -> None:
    trials = [finished_trial(float(number)) for number in range(5)]
    joined = JoinedTrials(trials[:4], 2, trials[3:])
    assert [trial.values for trial in joined] == [[0.0], [1.0], [3.0], [4.0]]
    assert [trial.values for trial in joined[1:]] == [[1.0], [3.0], [4.0]]
    assert [trial.values for trial in joined[3:]] == [[4.0]]
    assert (joined[2], joined[-2], joined[-1]) == (trials[3], trials[3], trials[4])
    assert len(joined) == 4
    study, own = (
        SearchStudy(small_space(), OBJECTIVES, []),
        optuna.create_study(sampler=RandomSampler(seed=0)),
    )
    assert all_trials(study.study) is study.study._storage._studies[0].trials  # type: ignore[attr-defined]
    assert all_trials(own) == own.trials


def test_reading_a_run_leaves_the_collector_as_it_was(finished: Run) -> None:
    for setting in (gc.disable, gc.enable):
        setting()
        before = gc.isenabled()
        assert len(read(finished.folder).candidates) == 120
        assert gc.isenabled() is before
