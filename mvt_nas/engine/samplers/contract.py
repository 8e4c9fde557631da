"""What a sampler plug-in gets and gives.

A fresh sampler is made for every proposal, seeded from the run's seed and the trial's number, so that what it proposes depends on the
finished trials only, not on how often the search was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mvt_nas.plugins import Registry

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler

    from mvt_nas.engine.feasible import Feasibility


@dataclass(frozen=True, slots=True)
class SamplerContext:
    """What a sampler may know.

    Attributes:
        seed: for this proposal.
        run_seed: the same for all proposals of a run.
        number: of the trial.
        feasibility: the space, its cost table and the budgets.
    """

    seed: int
    run_seed: int
    number: int
    feasibility: Feasibility


SAMPLERS: Registry[Callable[[SamplerContext], BaseSampler]] = Registry("sampler", "mvt_nas.engine.samplers")
"""Samplers by name."""
