"""The Optuna study of a run: in memory, rebuilt from the store, its proposals repaired before they become trials.

This is the only file that knows how trials, rows and distributions map onto one another. It reads and writes Optuna's *system
attributes*, in which the evolutionary samplers keep their generations, so that a rebuilt study proposes what the lost one would have.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState, create_trial

from mvt_nas.engine.candidates import Candidate
from mvt_nas.engine.objectives import Budget, Objective
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

_TRANSIENT = "tpe:relative_params"  # of running trials only


class CandidateSampler(BaseSampler):
    """Lets another sampler propose all dimensions, and replaces the proposal.

    Args:
        inner: proposes.
        distributions: of all dimensions.
        replace: turns the proposed row into the candidate's.
    """

    def __init__(self, inner: BaseSampler, distributions: Mapping[str, BaseDistribution], replace: Callable[[Rows], Rows]) -> None:
        self._inner = inner
        self._distributions = dict(distributions)
        self._replace = replace

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return all dimensions: every one is always suggested."""
        return self._distributions

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Return the codes of the candidate."""
        proposed = self._inner.sample_relative(study, trial, self._distributions)
        codes = [
            proposed[name] if name in proposed else self._inner.sample_independent(study, trial, name, distribution)
            for name, distribution in self._distributions.items()
        ]
        row = self._replace(np.asarray(codes, dtype=np.int32))
        return dict(zip(self._distributions, (int(code) for code in row), strict=True))

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        """Return one code; not used, since all are sampled together."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on."""
        self._inner.before_trial(study, trial)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Pass on."""
        self._inner.after_trial(study, trial, state, values)


class SearchStudy:
    """The study of one run.

    Args:
        space: gives the distributions.
        objectives: give the directions.
        budgets: on costly metrics; told to Optuna as constraints.
    """

    def __init__(self, space: SearchSpace, objectives: Sequence[Objective], budgets: Sequence[Budget]) -> None:
        self.distributions = distributions(space)
        self._objectives = objectives
        self._budgets = budgets
        self._asked: dict[int, optuna.Trial] = {}
        with _quiet():
            directions = [{"min": "minimize", "max": "maximize"}[o.direction] for o in objectives]
            self.study = optuna.create_study(directions=directions, sampler=optuna.samplers.RandomSampler())

    def ask(self, inner: BaseSampler, replace: Callable[[Rows], Rows]) -> Rows:
        """Return the row of the next trial, which runs until it is told."""
        self.study.sampler = CandidateSampler(inner, self.distributions, replace)
        trial = self.study.ask(self.distributions)
        self._asked[trial.number] = trial
        return np.asarray([trial.params[name] for name in self.distributions], dtype=np.int32)

    def tell(self, candidate: Candidate) -> dict[str, Any]:
        """Finish a trial; return the sampler's notes on it, to be stored."""
        trial = self._asked.pop(candidate.number)
        for budget in self._budgets if candidate.scored else ():
            trial.set_constraint(str(budget), budget.excess(candidate.scores[budget.metric]))
        state = TrialState.COMPLETE if candidate.scored else TrialState.FAIL
        self.study.tell(trial, self._values(candidate), state=state)
        return self.notes(candidate.number)

    def notes(self, number: int) -> dict[str, Any]:
        """Return what the sampler wrote beside a trial."""
        attributes = self.study.get_trials(deepcopy=False)[number].system_attrs
        return {key: value for key, value in attributes.items() if not key.startswith((_TRANSIENT, "constraints"))}

    def restore(self, candidate: Candidate, row: Rows, notes: Mapping[str, Any]) -> None:
        """Add a finished trial of an interrupted run; numbers have to come in order."""
        self.study.add_trial(
            create_trial(
                state=TrialState.COMPLETE if candidate.scored else TrialState.FAIL,
                values=self._values(candidate),
                params=dict(zip(self.distributions, (int(code) for code in row), strict=True)),
                distributions=self.distributions,
                system_attrs=dict(notes),
                constraints={str(b): b.excess(candidate.scores[b.metric]) for b in self._budgets} if candidate.scored and self._budgets else None,
            )
        )

    @property
    def shared_notes(self) -> dict[str, Any]:
        """What the samplers wrote beside the study, such as who became a parent."""
        return dict(self.study._storage.get_study_system_attrs(self.study._study_id))

    @shared_notes.setter
    def shared_notes(self, notes: Mapping[str, Any]) -> None:
        for key, value in notes.items():
            self.study._storage.set_study_system_attr(self.study._study_id, key, value)

    def _values(self, candidate: Candidate) -> list[float] | None:
        return [candidate.scores[o.metric] for o in self._objectives] if candidate.scored else None


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the distribution of each dimension's code: integers where the values are numbers, else categories."""
    result: dict[str, BaseDistribution] = {}
    for dimension in space.dimensions:
        count = len(dimension.values)
        result[dimension.name] = IntDistribution(0, count - 1) if dimension.ordinal else CategoricalDistribution(tuple(range(count)))
    return result


class _quiet:
    """Keeps Optuna from announcing the study."""

    def __enter__(self) -> None:
        self._level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(logging.WARNING)

    def __exit__(self, *_: object) -> None:
        optuna.logging.set_verbosity(self._level)
