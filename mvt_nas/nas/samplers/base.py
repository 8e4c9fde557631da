"""What a sampler plug-in gets and gives.

A fresh sampler is made for every proposal, seeded from the run's seed and the trial's number, so
that what it proposes depends on the finished trials only, not on how often the search was
interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mvt_nas.registry import Registry

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from mvt_nas.nas.problem.constraints import Feasibility
    from mvt_nas.nas.problem.objectives import Budget, Objective


@dataclass(frozen=True, slots=True)
class SamplerContext:
    """What a sampler may know.

    Attributes:
        seed: for this proposal.
        run_seed: the same for all proposals of a run.
        number: of the trial.
        feasibility: the space, its cost table and the budgets.
        objectives: of the run.
        budgets: on what is not known.
        batch: proposals between two looks at their results.
        memory: the same for all proposals of a process; what a sampler keeps there has to follow
            from the finished trials.
    """

    seed: int
    run_seed: int
    number: int
    feasibility: Feasibility
    objectives: tuple[Objective, ...] = ()
    budgets: tuple[Budget, ...] = ()
    batch: int = 1
    memory: MutableMapping[Any, Any] = field(default_factory=dict)


SAMPLERS: Registry[Callable[[SamplerContext], BaseSampler]] = Registry(
    "sampler", "mvt_nas.nas.samplers"
)
"""Samplers by name."""
