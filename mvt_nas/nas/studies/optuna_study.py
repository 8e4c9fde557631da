"""The Optuna study of a run: in memory, rebuilt from the store, its proposals repaired before they become trials.

This is the only file that knows how trials, rows and distributions map onto one another. It reads
and writes Optuna's *system attributes*, in which the evolutionary samplers keep their generations,
so that a rebuilt study proposes what the lost one would have.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mvt_nas.metrics.direction import Direction
from mvt_nas.nas.problem.objectives import Budget, Objective
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.studies.optuna_trials import Distributions, TrialStorage, visible_trials
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

_PROPOSAL = (  # in the names of the attributes that TPE and GP read of running trials
    ":relative_params"
)


class CandidateSampler(BaseSampler):
    """Lets another sampler propose all dimensions, and replaces the proposal.

    Args:
        inner: proposes.
        distributions: of all dimensions.
        replace: turns the proposed row into the candidate's.

    Attributes:
        row: the candidate's, once it is sampled.
    """

    def __init__(
        self,
        inner: BaseSampler,
        distributions: Mapping[str, BaseDistribution],
        replace: Callable[[Rows], Rows],
    ) -> None:
        self._inner = inner
        self._distributions = dict(distributions)
        self._replace = replace
        self.row: Rows | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return all dimensions: every one is always suggested."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the codes of the candidate."""
        proposed = self._inner.sample_relative(
            visible_trials(study, self._inner), trial, self._distributions
        )
        codes = [
            (
                proposed[name]
                if name in proposed
                else self._inner.sample_independent(study, trial, name, distribution)
            )
            for name, distribution in self._distributions.items()
        ]
        self.row = self._replace(np.asarray(codes, dtype=np.int32))
        _forget_proposal(study, trial)
        return dict(zip(self._distributions, self.row.tolist(), strict=True))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return one code; not used, since all are sampled together."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Pass on."""
        self._inner.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Pass on."""
        self._inner.after_trial(study, trial, state, values)


class SearchStudy:
    """The study of one run.

    Args:
        space: gives the distributions.
        objectives: give the directions.
        budgets: on costly metrics; told to Optuna as constraints.
    """

    def __init__(
        self, space: SearchSpace, objectives: Sequence[Objective], budgets: Sequence[Budget]
    ) -> None:
        self.distributions = Distributions(distributions(space))
        self._objectives = objectives
        self._budgets = budgets
        self._asked: dict[int, optuna.Trial] = {}
        self._trials = TrialStorage()
        with quiet_optuna():
            self.study = optuna.create_study(
                storage=self._trials,
                directions=optuna_directions([o.direction for o in objectives]),
            )

    def ask(self, inner: BaseSampler, replace: Callable[[Rows], Rows]) -> Rows:
        """Return the row of the next trial, which runs until it is told."""
        sampler = CandidateSampler(inner, self.distributions, replace)
        self.study.sampler = sampler
        trial = self.study.ask(self.distributions)
        self._asked[trial.number] = trial
        if sampler.row is None:  # nothing to sample in a space of one architecture
            sampler.row = replace(np.zeros(0, dtype=np.int32))
        return sampler.row

    def tell(self, candidate: Candidate) -> None:
        """Finish a trial."""
        trial = self._asked.pop(candidate.number)
        for name, excess in self._constraints(candidate).items():
            trial.set_constraint(name, excess)
        self._trials.get_trial(
            trial._trial_id
        ).distributions = self.distributions  # kept once for all trials
        self.study.tell(trial, self._values(candidate), state=_state(candidate))

    def notes(self, number: int) -> dict[str, Any]:
        """Return what the sampler wrote beside a trial that runs."""
        attributes = self._trials.get_trial(self._asked[number]._trial_id).system_attrs
        return {key: value for key, value in attributes.items() if _PROPOSAL not in key}

    def restore(self, candidate: Candidate) -> None:
        """Add a finished trial of an interrupted run; numbers have to come in order."""
        now = datetime.now()
        trial = FrozenTrial(
            number=candidate.number,
            trial_id=candidate.number,
            state=_state(candidate),
            value=None,
            values=self._values(candidate),
            datetime_start=now,
            datetime_complete=now,
            params=dict(zip(self.distributions, candidate.row, strict=True)),
            distributions=self.distributions,
            user_attrs={},
            system_attrs=dict(candidate.notes),
            intermediate_values={},
        )
        for name, excess in self._constraints(candidate).items():
            trial.set_constraint(name, excess)
        self._trials.create_new_trial(self.study._study_id, trial)

    def new_shared_notes(self) -> dict[str, Any]:
        """Return what the samplers wrote beside the study, such as who became a parent, since this was last called."""
        new, self._trials.noted = self._trials.noted, {}
        return new

    def restore_shared_notes(self, notes: Mapping[str, Any]) -> None:
        """Put back what :meth:`new_shared_notes` gave."""
        for key, value in notes.items():
            self._trials.set_study_system_attr(self.study._study_id, key, value)
        self._trials.noted = {}

    def _values(self, candidate: Candidate) -> list[float] | None:
        return [candidate.scores[o.name] for o in self._objectives] if candidate.scored else None

    def _constraints(self, candidate: Candidate) -> dict[str, float]:
        return (
            {str(budget): budget.excess(candidate.scores[budget.name]) for budget in self._budgets}
            if candidate.scored
            else {}
        )


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the distribution of each dimension's code: integers where the values are numbers, else categories."""
    result: dict[str, BaseDistribution] = {}
    for dimension in space.dimensions:
        count = len(dimension.values)
        result[dimension.name] = (
            IntDistribution(0, count - 1)
            if dimension.ordinal
            else CategoricalDistribution(tuple(range(count)))
        )
    return result


def optuna_directions(directions: Sequence[Direction]) -> list[StudyDirection]:
    """Return the directions as Optuna calls them."""
    return [
        StudyDirection.MINIMIZE if direction is Direction.MIN else StudyDirection.MAXIMIZE
        for direction in directions
    ]


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from announcing a study."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _state(candidate: Candidate) -> TrialState:
    return TrialState.COMPLETE if candidate.scored else TrialState.FAIL


def _forget_proposal(study: Study, trial: FrozenTrial) -> None:
    """Blank the attributes in which TPE and GP keep a proposal while its trial runs, so that they see the candidate instead."""
    for key in study._storage.get_trial(trial._trial_id).system_attrs:
        if _PROPOSAL in key:
            study._storage.set_trial_system_attr(trial._trial_id, key, "")
