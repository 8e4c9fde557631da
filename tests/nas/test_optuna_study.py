"""The Optuna study: what samplers see of candidates, and a study rebuilt after a loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from mvt_nas.cost.table import CostTable
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.objectives import Budget, parse_objectives
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext
from mvt_nas.nas.studies.optuna_study import SearchStudy, distributions
from mvt_nas.nas.studies.optuna_trials import visible_trials
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace
from tests.support.searches import breed_early, small_space

BUDGETS = [Budget.parse("log_synflow>=20")]


def study(space: SearchSpace) -> SearchStudy:
    return SearchStudy(space, parse_objectives(["log_synflow:max", "macs:min"]), BUDGETS)


def candidate(number: int, row: Rows) -> Candidate:
    """Return a candidate with scores made up from its row; some are failed, some infeasible."""
    scores = {"log_synflow": float(row.sum()) * 3.7, "macs": float(row @ np.arange(len(row)))}
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


def test_numbers_are_integers_and_names_are_categories() -> None:
    space = small_space()
    found = distributions(space)
    assert list(found) == [dimension.name for dimension in space.dimensions]
    assert found["stage1.width"] == IntDistribution(0, 2)
    assert found["stage2.block"] == CategoricalDistribution((0, 1))


def test_a_study_holds_the_candidate_not_the_proposal() -> None:
    space = small_space()
    asked = study(space)
    rows = space.sample(5, seed=0)
    for number, row in enumerate(rows):
        assert (
            asked.ask(RandomSampler(seed=1), lambda proposed, row=row: row).tolist() == row.tolist()
        )  # type: ignore[misc]
        asked.tell(candidate(number, row))
    trials = asked.study.trials
    assert [list(trial.params.values()) for trial in trials] == rows.tolist()
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 3 + [
        TrialState.FAIL,
        TrialState.COMPLETE,
    ]
    assert [trial.values for trial in trials[:3]] == [
        [float(row.sum()) * 3.7, float(row @ np.arange(len(row)))] for row in rows[:3]
    ]


@pytest.mark.parametrize("sampler", SAMPLERS.names())
def test_a_rebuilt_study_is_the_lost_one(sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    breed_early(monkeypatch)
    space = small_space()
    feasibility, make = Feasibility(Predictors(CostTable(space)), []), SAMPLERS.get(sampler)
    lost, rebuilt = study(space), study(space)
    for start in range(0, 12 if sampler == "gp" else 24, 4):
        rows = [
            lost.ask(make(SamplerContext(n, 0, n, feasibility)), lambda row: row)
            for n in range(start, start + 4)
        ]
        told = [
            replace(candidate(start + i, row), notes=lost.notes(start + i))
            for i, row in enumerate(rows)
        ]
        for one in told:
            lost.tell(one)
        for one in told:
            rebuilt.restore(one)
        rebuilt.restore_shared_notes(lost.new_shared_notes())
    # An attribute that only says what was proposed while a trial ran is no longer needed.
    attributes = [
        {key: value for key, value in trial.system_attrs.items() if value != ""}
        for trial in lost.study.trials
    ]
    assert [trial.system_attrs for trial in rebuilt.study.trials] == attributes
    for name in ("params", "values", "state", "constraints", "distributions", "number"):
        assert [getattr(trial, name) for trial in rebuilt.study.trials] == [
            getattr(trial, name) for trial in lost.study.trials
        ]
    shared = [
        one.study._storage.get_study_system_attrs(one.study._study_id) for one in (lost, rebuilt)
    ]
    assert shared[0] == shared[1]
    assert bool(shared[0]) == sampler.startswith("nsga")
    assert rebuilt.new_shared_notes() == {} == lost.new_shared_notes()
    assert any(sum(trial.constraints.values()) > 0 for trial in rebuilt.study.trials)
    seen = [
        visible_trials(one.study, make(SamplerContext(24, 0, 24, feasibility))).get_trials()
        for one in (lost, rebuilt)
    ]
    assert [trial.number for trial in seen[0]] == [trial.number for trial in seen[1]]


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_samplers_that_look_at_running_trials_see_the_candidates(sampler: str) -> None:
    space = small_space()
    feasibility, make = Feasibility(Predictors(CostTable(space)), []), SAMPLERS.get(sampler)
    asked = study(space)
    rows = space.sample(13, seed=0)
    for number, row in enumerate(rows):
        asked.ask(
            make(SamplerContext(number, 0, number, feasibility)), lambda proposed, row=row: row
        )  # type: ignore[misc]
        if number < 12:
            asked.tell(candidate(number, row))
    running = asked.study.trials[-1]
    assert running.state == TrialState.RUNNING
    assert list(running.params.values()) == rows[-1].tolist()
    proposals = {
        key: value for key, value in running.system_attrs.items() if "relative_params" in key
    }
    assert proposals
    assert set(proposals.values()) == {""}
    assert asked.notes(12) == {}
