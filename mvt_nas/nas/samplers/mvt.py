"""Costs are known, and only the rest is modelled: the batch with the largest expected hypervolume improvement.

Source: see ``nas/mvt/``.
"""

from __future__ import annotations

from optuna.samplers import BaseSampler

from mvt_nas.nas.mvt.sampler import MvtSampler
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext


@SAMPLERS.register("mvt")
def mvt(context: SamplerContext) -> BaseSampler:
    """Return the sampler that knows what tables give."""
    return MvtSampler(
        context.feasibility,
        context.objectives,
        context.budgets,
        seed=context.run_seed,
        batch=context.batch,
        memory=context.memory,
    )
