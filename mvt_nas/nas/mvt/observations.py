"""What the finished trials of a study say, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.trial import FrozenTrial, TrialState

from mvt_nas._typing import FloatArray
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.space.columns import Rows


@dataclass(frozen=True, slots=True)
class Observations:
    """Finished trials, and those that run.

    Attributes:
        rows: of the trials with values, (n, dimensions).
        costs: their objectives, less is better, (n, objectives).
        excesses: by constraint that is no budget on an objective, how far each exceeds it, (n,);
            NaN where nobody said.
        feasible: which of them meet all constraints, (n,).
        taken: the rows of all finished trials, (k, dimensions).
        running: the rows of trials that run, (r, dimensions).
        settled: how many of the first rows will stand there whatever finishes next.
        ended: how many of the first rows in ``taken`` will.
    """

    rows: Rows
    costs: FloatArray
    excesses: dict[str, FloatArray]
    feasible: NDArray[np.bool_]
    taken: Rows
    running: Rows
    settled: int = 0
    ended: int = 0


class ObservationLedger:
    """Reads trials, those that have finished before any that runs only once: a long search asks for them again and again.

    Args:
        goals: what is wanted.
        feasibility: the space.
    """

    def __init__(self, goals: OptimizationProblem, feasibility: Feasibility) -> None:
        self._goals, self._feasibility = goals, feasibility
        self._forget()

    def _forget(self) -> None:
        nothing = read_observations([], self._goals, self._feasibility)
        self._count = 0
        self._rows, self._costs, self._taken = (
            _Pile(nothing.rows),
            _Pile(nothing.costs),
            _Pile(nothing.taken),
        )
        self._feasible, self._excesses = _Pile(nothing.feasible), nothing.excesses

    def read(self, trials: Sequence[FrozenTrial]) -> Observations:
        """Return what all trials say, in the order of their numbers; its arrays hold until trials are read again.

        Where one is left out, those behind it do not settle: it may be there the next time.
        """
        if len(trials) < self._count:
            self._forget()  # another study
        count = self._count
        while (
            count < len(trials)
            and trials[count].number == count
            and trials[count].state.is_finished()
        ):
            count += 1
        if count > self._count:
            self._settle(
                read_observations(trials[self._count : count], self._goals, self._feasibility)
            )
            self._count = count
        late = read_observations(trials[count:], self._goals, self._feasibility)
        return Observations(
            self._rows.and_(late.rows),
            self._costs.and_(late.costs),
            _joined(self._excesses, len(self._rows), late.excesses, len(late.rows)),
            self._feasible.and_(late.feasible),
            self._taken.and_(late.taken),
            late.running,
            len(self._rows),
            len(self._taken),
        )

    def _settle(self, new: Observations) -> None:
        self._excesses = _joined(self._excesses, len(self._rows), new.excesses, len(new.rows))
        for pile, rows in (
            (self._rows, new.rows),
            (self._costs, new.costs),
            (self._feasible, new.feasible),
            (self._taken, new.taken),
        ):
            pile.add(rows)


class _Pile:
    """Rows that are added to, in room that doubles: of a long search, nothing is copied at each batch."""

    def __init__(self, rows: NDArray[Any]) -> None:
        self._room, self._count = rows, len(rows)

    def __len__(self) -> int:
        return self._count

    def add(self, rows: NDArray[Any]) -> None:
        """Put rows at the end."""
        self.and_(rows)
        self._count += len(rows)

    def and_(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return all rows and others behind them, which are not kept."""
        count = self._count + len(rows)
        if count > len(self._room):
            room = np.empty((2 * count, *self._room.shape[1:]), dtype=self._room.dtype)
            room[: self._count] = self._room[: self._count]
            self._room = room
        self._room[self._count : count] = rows
        return self._room[:count]


def _joined(
    first: dict[str, FloatArray], n: int, second: dict[str, FloatArray], m: int
) -> dict[str, FloatArray]:
    """Return the excesses of ``n`` trials and of ``m`` later ones; NaN where nobody said."""
    names = dict.fromkeys([*first, *second])
    return {
        name: np.concatenate(
            [first.get(name, np.full(n, np.nan)), second.get(name, np.full(m, np.nan))]
        )
        for name in names
    }


def read_observations(
    trials: Sequence[FrozenTrial], goals: OptimizationProblem, feasibility: Feasibility
) -> Observations:
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
    excesses = {
        name: np.array([one.get(name, np.nan) for one in constraints]) for name in different
    }
    feasible: NDArray[np.bool_] = np.asarray(
        ((costs <= goals.highest) & (costs >= goals.lowest)).all(axis=1)
    )
    for excess in excesses.values():
        feasible = np.asarray(feasible & ~(excess > 0))
    own = {name: excess for name, excess in excesses.items() if not goals.shared(name)}
    finished = [trial for trial in whole if trial.state.is_finished()]
    running = [trial for trial in whole if not trial.state.is_finished()]
    return Observations(rows, costs, own, feasible, _rows(finished, names), _rows(running, names))


def _scored(trial: FrozenTrial, goals: OptimizationProblem) -> bool:
    return (
        trial.state == TrialState.COMPLETE
        and len(trial.values) == len(goals.objectives)
        and bool(np.isfinite(trial.values).all())
    )


def _rows(trials: Sequence[FrozenTrial], names: Sequence[str]) -> Rows:
    return np.array(
        [[trial.params[name] for name in names] for trial in trials], dtype=np.int32
    ).reshape(len(trials), len(names))
