"""Gaussian processes with expected (hypervolume) improvement. Thorough and slow: for runs of a few hundred trials.

Source: Optuna's implementation.
"""

from __future__ import annotations

from optuna.samplers import BaseSampler, GPSampler

from mvt_nas.engine.samplers.contract import SAMPLERS, SamplerContext


@SAMPLERS.register("gp")
def gp(context: SamplerContext) -> BaseSampler:
    """Return Optuna's Gaussian-process sampler."""
    return GPSampler(deterministic_objective=True, warn_independent_sampling=False, seed=context.seed)
