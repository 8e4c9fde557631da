"""Interface of samplers.

A new sampler is built for every proposal, seeded by the run's seed and the trial's number. Its
proposal therefore depends on the finished trials only, and not on interruptions of the search.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mvt_nas.nas.mvt.memory import SearchMemory
from mvt_nas.registry import Registry

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from mvt_nas.nas.problem.constraints import Feasibility
    from mvt_nas.nas.problem.objectives import Budget, Objective


@dataclass(frozen=True, slots=True)
class SamplerContext:
    """Input of a sampler.

    Attributes:
        seed: Seed of this proposal.
        run_seed: Seed of the run, the same for all proposals.
        number: Number of the trial.
        feasibility: Space with its cost table and the budgets on known metrics.
        objectives: Objectives of the run.
        budgets: Budgets on metrics that have to be evaluated.
        batch: Number of proposals that are evaluated together.
        memory: Intermediate results, shared by all proposals of a process; they must follow from
            the finished trials.
    """

    seed: int
    run_seed: int
    number: int
    feasibility: Feasibility
    objectives: tuple[Objective, ...] = ()
    budgets: tuple[Budget, ...] = ()
    batch: int = 1
    memory: SearchMemory = field(default_factory=SearchMemory)


SAMPLERS: Registry[Callable[[SamplerContext], BaseSampler]] = Registry(
    "sampler", "mvt_nas.nas.samplers"
)
"""Samplers by name."""
