"""The Optuna study of a run.

The study is kept in memory and rebuilt from the run's store. Proposals are repaired before they
become trials. This module maps trials, rows and distributions onto one another. It stores and
restores Optuna's *system attributes*, in which the evolutionary samplers keep their generations, so
that a rebuilt study proposes what the lost one would have proposed.
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
from mvt_nas.nas.studies.optuna_compat import (
    TrialStorage,
    add_finished_trial,
    set_study_attribute,
    set_trial_attribute,
    stored_trial,
)
from mvt_nas.nas.studies.optuna_trials import Distributions, visible_trials
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

# Part of the names of the attributes that TPE and GP read of running trials.
_PROPOSAL = ":relative_params"


class CandidateSampler(BaseSampler):
    """Lets another sampler propose all dimensions, and replaces its proposal.

    Args:
        inner: Sampler of the proposal.
        distributions: Distributions of all dimensions.
        replace: Function that maps a proposed row to the candidate's row.

    Attributes:
        row: Row of the candidate, once it has been sampled.
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
        view = visible_trials(study, self._inner)
        proposed = self._inner.sample_relative(view, trial, self._distributions)
        codes = []
        for name, distribution in self._distributions.items():
            if name in proposed:
                codes.append(proposed[name])
            else:
                codes.append(self._inner.sample_independent(study, trial, name, distribution))
        self.row = self._replace(np.asarray(codes, dtype=np.int32))
        _clear_proposal(study, trial)
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
        """Forward to the inner sampler."""
        self._inner.before_trial(study, trial)

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Forward to the inner sampler."""
        self._inner.after_trial(study, trial, state, values)


class SearchStudy:
    """The study of one run.

    Args:
        space: Search space, which gives the distributions.
        objectives: Objectives, which give the directions.
        budgets: Budgets on costly metrics; constraints of the study.
    """

    def __init__(
        self, space: SearchSpace, objectives: Sequence[Objective], budgets: Sequence[Budget]
    ) -> None:
        self.distributions = Distributions(distributions(space))
        self._objectives = objectives
        self._budgets = budgets
        self._running: dict[int, optuna.Trial] = {}
        self._storage = TrialStorage()
        with quiet_optuna():
            self.study = optuna.create_study(
                storage=self._storage,
                directions=optuna_directions([o.direction for o in objectives]),
            )

    def ask(self, inner: BaseSampler, replace: Callable[[Rows], Rows]) -> Rows:
        """Return the row of a new trial, which is running until :meth:`tell` finishes it.

        Args:
            inner: Sampler of the proposal.
            replace: Function that maps a proposed row to the candidate's row.
        """
        sampler = CandidateSampler(inner, self.distributions, replace)
        self.study.sampler = sampler
        trial = self.study.ask(self.distributions)
        self._running[trial.number] = trial
        if sampler.row is None:
            # Optuna samples nothing in a space of a single architecture.
            sampler.row = replace(np.zeros(0, dtype=np.int32))
        return sampler.row

    def tell(self, candidate: Candidate) -> None:
        """Finish the trial of a candidate."""
        trial = self._running.pop(candidate.number)
        for name, excess in self._constraints(candidate).items():
            trial.set_constraint(name, excess)
        # All trials share one object of distributions.
        stored_trial(self.study, trial).distributions = self.distributions
        self.study.tell(trial, self._values(candidate), state=_state(candidate))

    def notes(self, number: int) -> dict[str, Any]:
        """Return the system attributes that the sampler has set on a running trial."""
        attributes = stored_trial(self.study, self._running[number]).system_attrs
        return {key: value for key, value in attributes.items() if _PROPOSAL not in key}

    def restore(self, candidate: Candidate) -> None:
        """Add a finished trial of an interrupted run; call in the order of the numbers."""
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
        add_finished_trial(self.study, trial)

    def new_shared_notes(self) -> dict[str, Any]:
        """Return the system attributes of the study that samplers have set since the last call.

        The evolutionary samplers store the parents of each generation there.
        """
        new = self._storage.changed_attributes
        self._storage.changed_attributes = {}
        return new

    def restore_shared_notes(self, notes: Mapping[str, Any]) -> None:
        """Restore attributes returned by :meth:`new_shared_notes`."""
        for key, value in notes.items():
            set_study_attribute(self.study, key, value)
        self._storage.changed_attributes = {}

    def _values(self, candidate: Candidate) -> list[float] | None:
        if not candidate.scored:
            return None
        return [candidate.scores[objective.name] for objective in self._objectives]

    def _constraints(self, candidate: Candidate) -> dict[str, float]:
        if not candidate.scored:
            return {}
        return {
            str(budget): budget.excess(candidate.scores[budget.name]) for budget in self._budgets
        }


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return the distribution of each dimension's code: integers if ordinal, else categories."""
    result: dict[str, BaseDistribution] = {}
    for dimension in space.dimensions:
        count = len(dimension.values)
        if dimension.ordinal:
            result[dimension.name] = IntDistribution(0, count - 1)
        else:
            result[dimension.name] = CategoricalDistribution(tuple(range(count)))
    return result


def optuna_directions(directions: Sequence[Direction]) -> list[StudyDirection]:
    """Return the directions as Optuna's enumeration."""
    return [
        StudyDirection.MINIMIZE if direction is Direction.MIN else StudyDirection.MAXIMIZE
        for direction in directions
    ]


@contextlib.contextmanager
def quiet_optuna() -> Iterator[None]:
    """Suppress Optuna's messages about new studies."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _state(candidate: Candidate) -> TrialState:
    return TrialState.COMPLETE if candidate.scored else TrialState.FAIL


def _clear_proposal(study: Study, trial: FrozenTrial) -> None:
    """Blank the proposal that TPE and GP store while a trial runs.

    Otherwise they would take it for the trial's parameters, instead of the repaired candidate.
    """
    for key in stored_trial(study, trial).system_attrs:
        if _PROPOSAL in key:
            set_trial_attribute(study, trial, key, "")
