"""The sampler for Optuna."""

from __future__ import annotations

import threading
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
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
from mvt_nas.nas.mvt.planner import Planner
from mvt_nas.nas.mvt.problem import OptimizationProblem
from mvt_nas.nas.problem.constraints import Feasibility, unsatisfiable_budgets
from mvt_nas.nas.problem.metrics import find_metric
from mvt_nas.nas.problem.objectives import Budget, Objective, metrics_of
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.studies.optuna_study import distributions, optuna_directions
from mvt_nas.nas.studies.optuna_trials import JoinedTrials, all_trials
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace

# among the notes of a study: where fronts were begun, so that nobody has to find all of them again
_BEGUN = "mvt:begun"


class MvtSampler(BaseSampler):
    """Proposes architectures of a space; knows its costs beforehand, and models only what has to be evaluated.

    In a study of your own::

        space = load_space("mobilevit")
        sampler = MvtSampler(space, ["my_accuracy:max", "macs:min"], ["params<=3M"], seed=0)

        def objective(trial: optuna.Trial) -> tuple[float, float]:
            architecture = sampler.suggest(trial)
            return train(architecture), count(architecture).macs

        study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
        study.optimize(objective, n_trials=100)

    Objectives stand in the order of the values that the function returns. A metric that the tables
    of the space give is known; what is returned for it is not read. Any other name, with its
    direction, is costly. A budget on a costly metric that is no objective has to be told with
    ``trial.set_constraint(str(budget), budget.excess(value))``. Trials that fail are not proposed
    again.

    Args:
        space: the space, or one with budgets and with more that is known of it, such as predicted
            latency or accuracy.
        objectives: ``NAME:min`` or ``NAME:max``; with none, all of the study's objectives are
            costly.
        budgets: ``NAME<=VALUE`` or ``NAME>=VALUE``; beside those that the space has.
        seed: of all proposals.
        batch: proposals that are planned together, each knowing those before it.
        memory: keeps what was computed; shared between samplers of one search that are made anew
            for each proposal.

    Attributes:
        distributions: of the codes of all dimensions.

    Raises:
        MetricError: an objective or a budget cannot be read, or asks for what is not known of the
            space.
    """

    def __init__(
        self,
        space: SearchSpace | Feasibility,
        objectives: Sequence[str | Objective] = (),
        budgets: Sequence[str | Budget] = (),
        *,
        seed: int = 0,
        batch: int = 1,
        memory: MutableMapping[Any, Any] | None = None,
    ) -> None:
        wanted = [_objective(one) for one in objectives]
        allowed = [one if isinstance(one, Budget) else Budget.parse(one) for one in budgets]
        there = (
            space
            if isinstance(space, Feasibility)
            else Feasibility(Predictors(CostTable(space)), [])
        )
        _check_known(metrics_of(wanted, allowed), there)
        known = [
            budget
            for budget in allowed
            if budget.metric.known_in_advance and budget not in there.budgets
        ]
        self._feasibility = Feasibility(there.known, [*there.budgets, *known]) if known else there
        self._objectives, self._budgets = wanted, allowed
        self._seed, self._batch = seed, batch
        self._memory: MutableMapping[Any, Any] = {} if memory is None else memory
        self.distributions = distributions(self._feasibility.space)
        self._random = RandomSampler(seed=seed)
        self._lock = threading.RLock()

    def suggest(self, trial: Trial) -> Architecture:
        """Return the architecture that a trial proposes."""
        codes = [
            _suggested(trial, name, distribution)
            for name, distribution in self.distributions.items()
        ]
        return self._feasibility.space.decode(np.array(codes, dtype=np.int32))

    def about(self) -> str:
        """Return in one sentence what the proposals of a search rest on."""
        planner = self._planner(self._objectives)
        if not self._objectives:
            return "models of all objectives"
        if planner.all_known:
            return str(planner.front)
        costly = [
            *(self._objectives[column].name for column in planner.goals.costly),
            *(budget.name for budget in planner.goals.budgets),
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
            SpaceError: no architecture meets the budgets on what is known.
            MetricError: the study's directions are not those of the objectives.
        """
        with self._lock:
            self._begin(study)
            row = self._row(study, trial)
        return dict(zip(self.distributions, row.tolist(), strict=True))

    def _row(self, study: Study, trial: FrozenTrial) -> Rows:
        """Return the row for a trial, and remember that it runs: its choices are not in the study before all of them are made."""
        trials = all_trials(study)
        settled = self._settled(trials)
        late = [
            other
            for other in trials[settled:]
            if other.number < trial.number or other.state.is_finished()
        ]
        finished = [other.number for other in late if other.state.is_finished()]
        basis = (settled + len(finished), max(finished, default=settled - 1))
        known, plan = self._memory.get("plan", (None, None))
        if known != basis or len(plan.rows) <= plan.used:
            whole = {other.number for other in late if len(other.params) == len(self.distributions)}
            unseen = [
                row for number, row in self._handed(trials[settled:]).items() if number not in whole
            ]
            plan = _ProposalPlan(self._planned(study, JoinedTrials(trials, settled, late), unseen))
            self._memory["plan"] = basis, plan
        row: Rows = plan.rows[plan.used]
        plan.used += 1
        self._handed(trials[settled:])[trial.number] = row
        return row

    def _handed(self, trials: Sequence[FrozenTrial]) -> dict[int, Rows]:
        """Return the rows that trials which still run were given, by number."""
        handed: dict[int, Rows] = self._memory.setdefault("handed", {})
        running = {trial.number for trial in trials if not trial.state.is_finished()}
        for number in [number for number in handed if number not in running]:
            del handed[number]
        return handed

    def _begin(self, study: Study) -> None:
        """Forget what was remembered of another study."""
        identity = (id(study._storage), study._study_id)
        if self._memory.get("study") == identity:
            return
        self._memory.clear()
        self._check_directions(study)
        self._memory["study"] = identity

    def _check_directions(self, study: Study) -> None:
        wanted, there = (
            optuna_directions([one.direction for one in self._objectives]),
            study.directions,
        )
        if wanted and wanted != there:
            names = ", ".join(map(str, self._objectives))
            raise MetricError(
                f"the objectives are {names}, but the study's directions are"
                f" {', '.join(d.name.lower() for d in there)}"
            )

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return one code at random."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _settled(self, trials: Sequence[FrozenTrial]) -> int:
        """Return how many of the first trials have finished, looking at each once only."""
        count = int(self._memory.get("settled", 0))
        count = count if count <= len(trials) else 0
        while count < len(trials) and trials[count].state.is_finished():
            count += 1
        self._memory["settled"] = count
        return count

    def _planned(self, study: Study, trials: Sequence[FrozenTrial], unseen: Sequence[Rows]) -> Rows:
        planner = self._planner(self._objectives or _unnamed(study.directions))
        begun = list(study._storage.get_study_system_attrs(study._study_id).get(_BEGUN, []))
        if planner.all_known and len(begun) > len(planner.front.begun):  # in another process
            planner.front.begun = begun
        rows = planner.plan(trials, self._batch, unseen)
        if planner.all_known and planner.front.begun not in (begun, [0]):
            study._storage.set_study_system_attr(study._study_id, _BEGUN, list(planner.front.begun))
        if not len(rows):
            raise SpaceError(unsatisfiable_budgets(self._feasibility))
        return rows

    def _planner(self, objectives: Sequence[Objective]) -> Planner:
        return Planner(
            OptimizationProblem.of(self._feasibility, objectives, self._budgets),
            self._feasibility,
            self._seed,
            self._memory,
        )


@dataclass(slots=True)
class _ProposalPlan:
    """What to propose while no further trial has finished.

    Attributes:
        rows: in order, (n, dimensions).
        used: how many of them were handed out.
    """

    rows: Rows
    used: int = 0


def _objective(one: str | Objective) -> Objective:
    """Return an objective; one with a direction may have any name."""
    if isinstance(one, Objective):
        return one
    name, _, text = one.rpartition(":")
    if name and text in tuple(Direction):
        direction = Direction(text)
        metric = find_metric(name) or Metric(name, direction, Source.EXTERNAL)
        if not metric.known_in_advance:
            return Objective(metric, direction)
    return Objective.parse(one)


def _suggested(trial: Trial, name: str, distribution: BaseDistribution) -> int:
    if isinstance(distribution, CategoricalDistribution):
        return int(cast(int, trial.suggest_categorical(name, distribution.choices)))
    assert isinstance(distribution, IntDistribution)
    return trial.suggest_int(name, distribution.low, distribution.high)


def _unnamed(directions: Sequence[StudyDirection]) -> list[Objective]:
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
