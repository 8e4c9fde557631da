"""The mvt sampler for Optuna studies."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, Trial

from mvt_nas.cost.table import CostTable
from mvt_nas.errors import MetricError, SpaceError
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.nas.mvt.memory import ProposalPlan, SearchMemory
from mvt_nas.nas.mvt.planner import Planner
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility, unsatisfiable_budgets
from mvt_nas.nas.problem.metrics import find_metric
from mvt_nas.nas.problem.objectives import Budget, Objective, metrics_of
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.studies.optuna_compat import (
    all_trials,
    set_study_attribute,
    study_attributes,
    study_identity,
)
from mvt_nas.nas.studies.optuna_study import distributions, optuna_directions
from mvt_nas.nas.studies.optuna_trials import JoinedTrials
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

# System attribute of a study: the starts of the fronts (KnownFrontSearch.begun), so that a resumed
# search need not find all fronts again. Written to run folders; keep the spelling.
_BEGUN = "mvt:begun"


class MvtSampler(BaseSampler):
    """Proposes architectures of a space with known costs; models only the costly objectives.

    In a study of your own::

        space = load_space("mobilevit")
        sampler = MvtSampler(space, ["my_accuracy:max", "macs:min"], ["params<=3M"], seed=0)

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            architecture = sampler.suggest(trial)
            return train(architecture), count(architecture).macs

        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        study.optimize(objective, n_trials=100)

    Objectives are in the order of the values that the function returns. A metric that the tables of
    the space give is known; the value that the function returns for it is ignored. Any other name,
    with its direction, is costly. Report a budget on a costly metric that is no objective by
    ``trial.set_constraint(str(budget), budget.excess(value))``. Failed trials are not proposed
    again.

    Args:
        space: Search space, or a space with budgets and further known metrics, such as predicted
            latency or accuracy.
        objectives: ``NAME:min`` or ``NAME:max``; without any, all objectives of the study are
            costly.
        budgets: ``NAME<=VALUE`` or ``NAME>=VALUE``, in addition to those of the space.
        seed: Seed of all proposals.
        batch: Number of proposals that are planned together, each aware of those before it.
        memory: Intermediate results, shared by all samplers of a search that rebuilds its sampler
            for every proposal.

    Attributes:
        distributions: Distribution of the code of each dimension.

    Raises:
        MetricError: An objective or a budget cannot be read, or names a metric that is not known of
            the space.
    """

    def __init__(
        self,
        space: SearchSpace | Feasibility,
        objectives: Sequence[str | Objective] = (),
        budgets: Sequence[str | Budget] = (),
        *,
        seed: int = 0,
        batch: int = 1,
        memory: SearchMemory | None = None,
    ) -> None:
        self._objectives = [_objective(objective) for objective in objectives]
        self._budgets = [
            budget if isinstance(budget, Budget) else Budget.parse(budget) for budget in budgets
        ]
        self._feasibility = _with_budgets(space, self._objectives, self._budgets)
        self._seed = seed
        self._batch = batch
        self._memory = SearchMemory() if memory is None else memory
        self.distributions = distributions(self._feasibility.space)
        self._random = RandomSampler(seed=seed)
        self._lock = threading.RLock()

    def suggest(self, trial: Trial) -> Architecture:
        """Return the architecture that a trial proposes."""
        codes = [
            _suggest_code(trial, name, distribution)
            for name, distribution in self.distributions.items()
        ]
        return self._feasibility.space.decode(np.array(codes, dtype=np.int32))

    def about(self) -> str:
        """Return a sentence about the basis of the proposals."""
        if not self._objectives:
            return "models of all objectives"
        planner = self._planner(self._objectives)
        problem = planner.problem
        if problem.all_known:
            return str(planner.front)
        costly = [
            *(self._objectives[column].name for column in problem.costly),
            *(budget.name for budget in problem.budgets),
        ]
        return f"models of {', '.join(dict.fromkeys(costly))}; everything else is known exactly"

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return all dimensions: they are proposed together."""
        return self.distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the codes of the proposed row.

        Raises:
            SpaceError: No architecture meets the budgets on known metrics.
            MetricError: The study's directions are not those of the objectives.
        """
        with self._lock:
            self._attach(study)
            row = self._next_row(study, trial)
        return dict(zip(self.distributions, row.tolist(), strict=True))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return one code at random."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _attach(self, study: Study) -> None:
        """Clear the memory if it belongs to another study."""
        identity = study_identity(study)
        if self._memory.study == identity:
            return
        self._memory.clear()
        self._check_directions(study)
        self._memory.study = identity

    def _check_directions(self, study: Study) -> None:
        expected = optuna_directions([objective.direction for objective in self._objectives])
        if expected and expected != study.directions:
            objectives = ", ".join(map(str, self._objectives))
            directions = ", ".join(direction.name.lower() for direction in study.directions)
            raise MetricError(
                f"the objectives are {objectives}, but the study's directions are {directions}"
            )

    def _next_row(self, study: Study, trial: FrozenTrial) -> Rows:
        """Return the row for a trial, and record it as running.

        The record is needed because a study holds the parameters of a running trial only after all
        of them have been suggested.
        """
        trials = all_trials(study)
        settled = self._count_settled(trials)
        # Running trials with larger numbers began after this one: ignore them, so that a proposal
        # does not depend on how far other threads are.
        late = [
            other
            for other in trials[settled:]
            if other.number < trial.number or other.state.is_finished()
        ]
        finished = [other.number for other in late if other.state.is_finished()]
        basis = (settled + len(finished), max(finished, default=settled - 1))
        plan = self._memory.plan
        if plan is None or plan.basis != basis or plan.exhausted:
            joined = JoinedTrials(trials, settled, late)
            unseen = self._rows_not_in_study(trials[settled:], late)
            plan = ProposalPlan(basis, self._plan_rows(study, joined, unseen))
            self._memory.plan = plan
        row = plan.next_row()
        self._running_rows(trials[settled:])[trial.number] = row
        return row

    def _rows_not_in_study(
        self, unsettled: Sequence[FrozenTrial], late: Sequence[FrozenTrial]
    ) -> list[Rows]:
        """Return the rows of running trials whose parameters the study does not hold yet."""
        complete = {other.number for other in late if len(other.params) == len(self.distributions)}
        running = self._running_rows(unsettled)
        return [row for number, row in running.items() if number not in complete]

    def _running_rows(self, trials: Sequence[FrozenTrial]) -> dict[int, Rows]:
        """Return the recorded rows of running trials by number, without those that finished."""
        rows = self._memory.running
        running = {trial.number for trial in trials if not trial.state.is_finished()}
        for number in [number for number in rows if number not in running]:
            del rows[number]
        return rows

    def _count_settled(self, trials: Sequence[FrozenTrial]) -> int:
        """Return the number of trials before the first running one.

        Counting continues where the last call ended, so that each trial is checked only once.
        """
        count = self._memory.finished
        if count > len(trials):
            count = 0
        while count < len(trials) and trials[count].state.is_finished():
            count += 1
        self._memory.finished = count
        return count

    def _plan_rows(
        self, study: Study, trials: Sequence[FrozenTrial], unseen: Sequence[Rows]
    ) -> Rows:
        """Return the rows of the next batch.

        Raises:
            SpaceError: No architecture meets the budgets on known metrics.
        """
        planner = self._planner(self._objectives or _unnamed_objectives(study.directions))
        if planner.problem.all_known:
            rows = self._plan_known(study, planner, trials, unseen)
        else:
            rows = planner.plan(trials, self._batch, unseen)
        if not len(rows):
            raise SpaceError(unsatisfiable_budgets(self._feasibility))
        return rows

    def _plan_known(
        self,
        study: Study,
        planner: Planner,
        trials: Sequence[FrozenTrial],
        unseen: Sequence[Rows],
    ) -> Rows:
        """Return the rows of the next batch where all objectives are known.

        The starts of the fronts are exchanged with the study, so that a resumed search and other
        processes continue with the current front.
        """
        begun = list(study_attributes(study).get(_BEGUN, []))
        if len(begun) > len(planner.front.begun):
            # Another process, or this search before an interruption, has begun further fronts.
            planner.front.begun = begun
        rows = planner.plan(trials, self._batch, unseen)
        if planner.front.begun not in (begun, [0]):
            set_study_attribute(study, _BEGUN, list(planner.front.begun))
        return rows

    def _planner(self, objectives: Sequence[Objective]) -> Planner:
        problem = OptimizationProblem.of(self._feasibility, objectives, self._budgets)
        return Planner(problem, self._feasibility, self._seed, self._memory)


def _with_budgets(
    space: SearchSpace | Feasibility, objectives: Sequence[Objective], budgets: Sequence[Budget]
) -> Feasibility:
    """Return the space with the budgets on its known metrics.

    Raises:
        MetricError: An objective or a budget is on a metric that is not known of the space.
    """
    if isinstance(space, Feasibility):
        feasibility = space
    else:
        feasibility = Feasibility(Predictors(CostTable(space)), [])
    _check_known(metrics_of(objectives, budgets), feasibility)
    new = [
        budget
        for budget in budgets
        if budget.metric.known_in_advance and budget not in feasibility.budgets
    ]
    return Feasibility(feasibility.known, [*feasibility.budgets, *new]) if new else feasibility


def _objective(objective: str | Objective) -> Objective:
    """Return an objective; one that is given with a direction may have any name."""
    if isinstance(objective, Objective):
        return objective
    name, _, text = objective.rpartition(":")
    if name and text in tuple(Direction):
        direction = Direction(text)
        metric = find_metric(name) or Metric(name, direction, Source.EXTERNAL)
        if not metric.known_in_advance:
            return Objective(metric, direction)
    return Objective.parse(objective)


def _suggest_code(trial: Trial, name: str, distribution: BaseDistribution) -> int:
    if isinstance(distribution, CategoricalDistribution):
        return int(cast(int, trial.suggest_categorical(name, distribution.choices)))
    assert isinstance(distribution, IntDistribution)
    return trial.suggest_int(name, distribution.low, distribution.high)


def _unnamed_objectives(directions: Sequence[StudyDirection]) -> list[Objective]:
    """Return costly objectives in the directions of a study."""
    objectives = []
    for number, study_direction in enumerate(directions):
        minimized = study_direction == StudyDirection.MINIMIZE
        direction = Direction.MIN if minimized else Direction.MAX
        metric = Metric(f"objective {number}", direction, Source.EXTERNAL)
        objectives.append(Objective(metric, direction))
    return objectives


def _check_known(metrics: Sequence[Metric], feasibility: Feasibility) -> None:
    for metric in metrics:
        if metric.known_in_advance and metric.full_name not in feasibility.known.metrics:
            raise MetricError(
                f"{metric} is not known of {feasibility.space.name}; known are"
                f" {', '.join(feasibility.known.names)}"
            )
