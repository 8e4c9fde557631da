"""Observations of the trials of a study, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from mvt_nas._typing import BoolArray, FloatArray
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows


@dataclass(frozen=True, slots=True)
class Observations:
    """Finished trials, and the rows of running ones.

    ``rows`` and ``costs`` hold the trials with values only; ``taken`` holds failed trials as well.
    Both are in the order of the trial numbers. Trials that finished before any running one cannot
    move: ``settled`` and ``ended`` count them, so that callers process each of them only once.

    Attributes:
        rows: Rows of the trials with values, (n, dimensions).
        costs: Their objectives as costs (less is better), (n, objectives).
        excesses: Excess over each constraint that is no budget on an objective, by constraint,
            (n,); NaN where a trial does not report it.
        feasible: True for trials that meet all constraints, (n,).
        taken: Rows of all finished trials, (k, dimensions).
        running: Rows of the running trials, (r, dimensions).
        settled: Number of leading entries of ``rows`` whose position is final.
        ended: Number of leading entries of ``taken`` whose position is final.
    """

    rows: Rows
    costs: FloatArray
    excesses: dict[str, FloatArray]
    feasible: BoolArray
    taken: Rows
    running: Rows
    settled: int = 0
    ended: int = 0

    @property
    def busy(self) -> Rows:
        """Rows of all finished and running trials, (k + r, dimensions)."""
        return np.concatenate([self.taken, self.running])


class ObservationLedger:
    """Incremental reader of trials.

    The trials before the first unfinished one are converted to arrays only once, because a long
    search reads its trials before every batch.

    Args:
        problem: Objectives and budgets.
        feasibility: Space and its known metrics.
    """

    def __init__(self, problem: OptimizationProblem, feasibility: Feasibility) -> None:
        self._problem = problem
        self._feasibility = feasibility
        self._reset()

    def _reset(self) -> None:
        empty = read_observations([], self._problem, self._feasibility)
        self._count = 0
        self._rows = _GrowingArray(empty.rows)
        self._costs = _GrowingArray(empty.costs)
        self._taken = _GrowingArray(empty.taken)
        self._feasible = _GrowingArray(empty.feasible)
        self._excesses = empty.excesses

    def read(self, trials: Sequence[FrozenTrial]) -> Observations:
        """Return the observations of all trials, in the order of their numbers.

        The arrays are valid until the next call. If a trial number is missing, the trials after the
        gap do not settle, because the missing trial may be present in the next call.
        """
        if len(trials) < self._count:
            # Fewer trials than already settled: these belong to another study.
            self._reset()
        settled = self._count_settled(trials)
        if settled > self._count:
            self._settle(trials[self._count : settled])
            self._count = settled
        late = read_observations(trials[settled:], self._problem, self._feasibility)
        return Observations(
            rows=self._rows.followed_by(late.rows),
            costs=self._costs.followed_by(late.costs),
            excesses=_joined_excesses(
                self._excesses, len(self._rows), late.excesses, len(late.rows)
            ),
            feasible=self._feasible.followed_by(late.feasible),
            taken=self._taken.followed_by(late.taken),
            running=late.running,
            settled=len(self._rows),
            ended=len(self._taken),
        )

    def _count_settled(self, trials: Sequence[FrozenTrial]) -> int:
        """Return the number of leading trials that have finished and have consecutive numbers."""
        count = self._count
        while count < len(trials):
            trial = trials[count]
            if trial.number != count or not trial.state.is_finished():
                break
            count += 1
        return count

    def _settle(self, trials: Sequence[FrozenTrial]) -> None:
        """Append finished trials whose positions are final."""
        new = read_observations(trials, self._problem, self._feasibility)
        self._excesses = _joined_excesses(
            self._excesses, len(self._rows), new.excesses, len(new.rows)
        )
        self._rows.append(new.rows)
        self._costs.append(new.costs)
        self._feasible.append(new.feasible)
        self._taken.append(new.taken)


class _GrowingArray:
    """An array with amortised appending along its first axis.

    The buffer doubles when it is full, so that a long search does not copy everything at each
    batch.
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self._buffer = values
        self._count = len(values)

    def __len__(self) -> int:
        return self._count

    def append(self, values: NDArray[Any]) -> None:
        """Append values permanently."""
        self.followed_by(values)
        self._count += len(values)

    def followed_by(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return a view of all values with further ones behind them.

        The further values sit in the free part of the buffer. They do not count as appended: the
        next call overwrites them.
        """
        count = self._count + len(values)
        if count > len(self._buffer):
            buffer = np.empty((2 * count, *self._buffer.shape[1:]), dtype=self._buffer.dtype)
            buffer[: self._count] = self._buffer[: self._count]
            self._buffer = buffer
        self._buffer[self._count : count] = values
        return self._buffer[:count]


def _joined_excesses(
    first: dict[str, FloatArray], n: int, second: dict[str, FloatArray], m: int
) -> dict[str, FloatArray]:
    """Return the excesses of ``n`` trials and of ``m`` later ones; NaN where one is missing."""
    joined = {}
    for name in dict.fromkeys([*first, *second]):
        earlier = first.get(name, np.full(n, np.nan))
        later = second.get(name, np.full(m, np.nan))
        joined[name] = np.concatenate([earlier, later])
    return joined


def read_observations(
    trials: Sequence[FrozenTrial], problem: OptimizationProblem, feasibility: Feasibility
) -> Observations:
    """Return the observations of trials, in order; those that lack a dimension are ignored."""
    names = [dimension.name for dimension in feasibility.space.dimensions]
    whole = [trial for trial in trials if all(name in trial.params for name in names)]
    scored = [trial for trial in whole if _has_values(trial, problem)]
    rows = _rows(scored, names)
    costs = _costs(scored, rows, problem, feasibility)
    excesses = _excesses(scored)
    feasible = np.asarray(((costs <= problem.highest) & (costs >= problem.lowest)).all(axis=1))
    for excess in excesses.values():
        # A missing excess is NaN, which compares false: it does not make a trial infeasible.
        feasible = np.asarray(feasible & ~(excess > 0))
    modelled = {
        name: excess for name, excess in excesses.items() if not problem.is_objective_budget(name)
    }
    finished = [trial for trial in whole if trial.state.is_finished()]
    running = [trial for trial in whole if not trial.state.is_finished()]
    return Observations(
        rows, costs, modelled, feasible, _rows(finished, names), _rows(running, names)
    )


def _costs(
    trials: Sequence[FrozenTrial],
    rows: Rows,
    problem: OptimizationProblem,
    feasibility: Feasibility,
) -> FloatArray:
    """Return the costs of trials, (n, objectives): known ones from tables, others from values."""
    costs = problem.known_costs(feasibility, rows)
    if trials:
        observed = np.array([trial.values for trial in trials], dtype=float) * problem.signs
        costs[:, problem.costly] = observed[:, problem.costly]
    return costs


def _excesses(trials: Sequence[FrozenTrial]) -> dict[str, FloatArray]:
    """Return the excess over each constraint of trials, (n,); NaN where a trial has none."""
    constraints = [trial.constraints for trial in trials]
    names = dict.fromkeys(name for of_trial in constraints for name in of_trial)
    return {
        name: np.array([of_trial.get(name, np.nan) for of_trial in constraints]) for name in names
    }


def _has_values(trial: FrozenTrial, problem: OptimizationProblem) -> bool:
    return (
        trial.state == TrialState.COMPLETE
        and len(trial.values) == len(problem.objectives)
        and bool(np.isfinite(trial.values).all())
    )


def _rows(trials: Sequence[FrozenTrial], names: Sequence[str]) -> Rows:
    # reshape() gives the second axis its length where there are no trials.
    return np.array(
        [[trial.params[name] for name in names] for trial in trials], dtype=np.int32
    ).reshape(len(trials), len(names))
