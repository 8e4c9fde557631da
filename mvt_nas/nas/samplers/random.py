"""Random sampler, the baseline: independent uniform choices in every dimension."""

from __future__ import annotations

from optuna.samplers import BaseSampler, RandomSampler

from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext


@SAMPLERS.register("random")
def random(context: SamplerContext) -> BaseSampler:
    """Return Optuna's random sampler."""
    return RandomSampler(seed=context.seed)
