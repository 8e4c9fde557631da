"""The mvt sampler: expected hypervolume improvement with known costs.

Source: see ``nas/mvt/``.
"""

from __future__ import annotations

from optuna.samplers import BaseSampler

from mvt_nas.nas.mvt.sampler import MvtSampler
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext


@SAMPLERS.register("mvt")
def mvt(context: SamplerContext) -> BaseSampler:
    """Return the mvt sampler."""
    return MvtSampler(
        context.feasibility,
        context.objectives,
        context.budgets,
        seed=context.run_seed,
        batch=context.batch,
        memory=context.memory,
    )
