"""Observations of trials: each is read once, and known costs come from the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.nas.mvt.observations import ObservationLedger, Observations, read_observations
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.studies.optuna_study import distributions
from tests.support.known_costs import feasibility, goals
from tests.support.searches import small_space


def test_a_ledger_reads_finished_trials_once_and_says_what_reading_all_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = feasibility(small_space())
    wanted = goals(there, "macs", "params")
    spread = distributions(there.space)
    states = [
        TrialState.COMPLETE,
        TrialState.FAIL,
        TrialState.COMPLETE,
        TrialState.RUNNING,
        TrialState.COMPLETE,
        TrialState.COMPLETE,
    ] * 10

    def said(number: int) -> dict[str, float]:
        return {"early": number / 60} | ({"late": number - 50.0} if number > 45 else {})

    trials = []
    for number, (row, state) in enumerate(zip(there.sample(60, 0).tolist(), states, strict=True)):
        trial = create_trial(
            state=state if number > 40 or state != TrialState.RUNNING else TrialState.COMPLETE,
            values=[1.0, 2.0] if state != TrialState.FAIL else None,
            params=dict(zip(spread, row, strict=True)),
            distributions=spread,
            constraints=said(number) if state == TrialState.COMPLETE else None,
        )
        trial.number = number
        trials.append(trial)
    read: list[int] = []

    def counts(some: Sequence[FrozenTrial], *others: Any) -> Observations:
        read.append(len(some))
        return read_observations(some, *others)

    monkeypatch.setattr("mvt_nas.nas.mvt.observations.read_observations", counts)
    ledger = ObservationLedger(wanted, there)
    for count in (7, 8, 30, 60):
        found, expected = (
            ledger.read(trials[:count]),
            read_observations(trials[:count], wanted, there),
        )
        for name in ("rows", "costs", "feasible", "taken", "running"):
            assert np.array_equal(getattr(found, name), getattr(expected, name)), name
        assert list(found.excesses) == list(expected.excesses)
        for name, excess in expected.excesses.items():
            assert np.array_equal(found.excesses[name], excess, equal_nan=True), name
    settled = next(
        number for number, trial in enumerate(trials) if trial.state == TrialState.RUNNING
    )
    assert found.settled == sum(trial.state == TrialState.COMPLETE for trial in trials[:settled])
    assert found.ended == settled
    read.clear()
    ledger.read(trials)
    assert read == [60 - settled]
    assert len(ledger.read(trials[:5]).taken) == 5  # another study


def test_what_stands_behind_a_trial_that_was_left_out_is_not_settled() -> None:
    there = feasibility(small_space())
    wanted, spread = goals(there, "macs", "params"), distributions(there.space)
    trials = []
    for number, row in enumerate(there.sample(9, 0).tolist()):
        trials.append(
            create_trial(
                values=[1.0, 2.0], params=dict(zip(spread, row, strict=True)), distributions=spread
            )
        )
        trials[-1].number = number
    ledger = ObservationLedger(wanted, there)
    assert (
        ledger.read([*trials[:6], trials[8]]).settled == 6
    )  # asked for by trial 6, while 7 was still running
    assert (
        ledger.read(trials).taken.tolist()
        == read_observations(trials, wanted, there).taken.tolist()
    )


def test_a_history_takes_known_values_from_the_tables_and_the_others_from_trials() -> None:
    there = feasibility(small_space())
    mine = Metric("mine", Direction.MAX, Source.EXTERNAL)
    wanted = OptimizationProblem.of(
        there,
        [Objective(mine, Direction.MAX), Objective.parse("macs:min")],
        [Budget(mine, 5.0, at_most=False)],
    )
    rows = there.space.sample(4, seed=0)
    distributions = {
        d.name: CategoricalDistribution(tuple(range(len(d.values)))) for d in there.space.dimensions
    }
    states = [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE, TrialState.RUNNING]
    trials = [
        create_trial(
            state=state,
            values=[4.0 + number, -1.0] if state == TrialState.COMPLETE else None,
            params=dict(zip(distributions, row, strict=True)),
            distributions=dict(distributions),
            constraints=(
                {"mine>=5": 1.0 - number, "else": 0.5} if state == TrialState.COMPLETE else None
            ),
        )
        for number, (state, row) in enumerate(zip(states, rows.tolist(), strict=True))
    ]
    found = read_observations(trials, wanted, there)
    assert found.rows.tolist() == rows[[0, 2]].tolist()
    assert found.costs[:, 0].tolist() == [-4.0, -6.0]
    assert found.costs[:, 1].tolist() == there.known.of(rows[[0, 2]])["macs"].tolist()
    assert {name: values.tolist() for name, values in found.excesses.items()} == {
        "else": [0.5, 0.5]
    }
    assert found.feasible.tolist() == [False, False]
    assert found.taken.tolist() == rows[:3].tolist()
    assert found.running.tolist() == rows[3:].tolist()
    assert (wanted.highest.tolist(), wanted.lowest.tolist()) == ([-5.0, np.inf], [-np.inf, -np.inf])
