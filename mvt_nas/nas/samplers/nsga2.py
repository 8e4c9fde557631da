"""NSGA-II: non-dominated sorting with crowding distance.

Source: Deb et al., IEEE TEC 6 (2002); Optuna's implementation.
"""

from __future__ import annotations

from optuna.samplers import BaseSampler, NSGAIISampler

from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext

POPULATION = 32
"""Two default batches, so that a generation is complete when parents are selected from it."""


@SAMPLERS.register("nsga2")
def nsga2(context: SamplerContext) -> BaseSampler:
    """Return Optuna's NSGA-II."""
    return NSGAIISampler(population_size=POPULATION, seed=context.seed)
