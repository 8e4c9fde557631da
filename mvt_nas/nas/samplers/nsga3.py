"""NSGA-III: non-dominated sorting with reference directions, for three and more objectives.

Source: Deb and Jain, IEEE TEC 18 (2014); Optuna's implementation, which it calls experimental.
"""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, NSGAIIISampler

from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext
from mvt_nas.nas.samplers.nsga2 import POPULATION


@SAMPLERS.register("nsga3")
def nsga3(context: SamplerContext) -> BaseSampler:
    """Return Optuna's NSGA-III."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return NSGAIIISampler(population_size=POPULATION, seed=context.seed)
