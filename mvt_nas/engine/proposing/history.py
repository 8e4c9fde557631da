"""What the finished trials of a study say, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from mvt_nas.engine.feasible import Feasibility
from mvt_nas.engine.proposing.goals import Goals
from mvt_nas.space.columns import Rows

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class History:
    """Finished trials, and those that run.

    Attributes:
        rows: of the trials with values, (n, dimensions).
        costs: their objectives, less is better, (n, objectives).
        excesses: by constraint that is no budget on an objective, how far each exceeds it, (n,); NaN where nobody said.
        feasible: which of them meet all constraints, (n,).
        taken: the rows of all finished trials, (k, dimensions).
        running: the rows of trials that run, (r, dimensions).
        settled: how many of the first rows will stand there whatever finishes next.
    """

    rows: Rows
    costs: Array
    excesses: dict[str, Array]
    feasible: NDArray[np.bool_]
    taken: Rows
    running: Rows
    settled: int = 0

    def and_(self, later: History) -> History:
        """Return these trials and later ones."""
        names = dict.fromkeys([*self.excesses, *later.excesses])
        return History(
            np.concatenate([self.rows, later.rows]),
            np.concatenate([self.costs, later.costs]),
            {name: np.concatenate([self._excess(name), later._excess(name)]) for name in names},
            np.concatenate([self.feasible, later.feasible]),
            np.concatenate([self.taken, later.taken]),
            np.concatenate([self.running, later.running]),
            len(self.rows),
        )

    def _excess(self, name: str) -> Array:
        return self.excesses.get(name, np.full(len(self.rows), np.nan))


class Ledger:
    """Reads trials, those that have finished before any that runs only once: a long search asks for them again and again.

    Args:
        goals: what is wanted.
        feasibility: the space.
    """

    def __init__(self, goals: Goals, feasibility: Feasibility) -> None:
        self._goals, self._feasibility = goals, feasibility
        self._count = 0
        self._settled = history([], goals, feasibility)

    def read(self, trials: Sequence[FrozenTrial]) -> History:
        """Return what all trials say, in the order of their numbers."""
        if len(trials) < self._count:
            self._count, self._settled = 0, history([], self._goals, self._feasibility)  # another study
        count = self._count
        while count < len(trials) and trials[count].state.is_finished():
            count += 1
        if count > self._count:
            self._settled = self._settled.and_(history(trials[self._count : count], self._goals, self._feasibility))
            self._count = count
        return self._settled.and_(history(trials[count:], self._goals, self._feasibility))


def history(trials: Sequence[FrozenTrial], goals: Goals, feasibility: Feasibility) -> History:
    """Return what trials say, in the order of their numbers; those that lack a dimension say nothing."""
    names = [dimension.name for dimension in feasibility.space.dimensions]
    whole = [trial for trial in trials if all(name in trial.params for name in names)]
    scored = [trial for trial in whole if _scored(trial, goals)]
    rows = _rows(scored, names)
    costs = goals.known_costs(feasibility, rows)
    if scored:
        told = np.array([trial.values for trial in scored], dtype=float) * goals.signs
        costs[:, goals.costly] = told[:, goals.costly]
    constraints = [trial.constraints for trial in scored]
    different = dict.fromkeys(name for one in constraints for name in one)
    excesses = {name: np.array([one.get(name, np.nan) for one in constraints]) for name in different}
    feasible: NDArray[np.bool_] = np.asarray(((costs <= goals.highest) & (costs >= goals.lowest)).all(axis=1))
    for excess in excesses.values():
        feasible = np.asarray(feasible & ~(excess > 0))
    own = {name: excess for name, excess in excesses.items() if not goals.shared(name)}
    finished = [trial for trial in whole if trial.state.is_finished()]
    running = [trial for trial in whole if not trial.state.is_finished()]
    return History(rows, costs, own, feasible, _rows(finished, names), _rows(running, names))


def _scored(trial: FrozenTrial, goals: Goals) -> bool:
    return trial.state == TrialState.COMPLETE and len(trial.values) == len(goals.objectives) and bool(np.isfinite(trial.values).all())


def _rows(trials: Sequence[FrozenTrial], names: Sequence[str]) -> Rows:
    return np.array([[trial.params[name] for name in names] for trial in trials], dtype=np.int32).reshape(len(trials), len(names))
