"""A scrambled Sobol sequence over all dimensions; more even than random points.

Source: Optuna's implementation of quasi-Monte-Carlo sampling, which it calls experimental.
"""

from __future__ import annotations

import warnings

from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, QMCSampler
from optuna.study import Study

from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext


class _NumberedQMCSampler(QMCSampler):
    """Returns the point of the sequence with the trial's number.

    Optuna counts proposals in the study instead, so a resumed run would skip points.
    """

    number = 0

    def _find_sample_id(self, study: Study, search_space: dict[str, BaseDistribution]) -> int:
        return self.number


@SAMPLERS.register("qmc")
def qmc(context: SamplerContext) -> BaseSampler:
    """Return Optuna's Sobol sampler at the trial's position in the sequence of the run's seed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        sampler = _NumberedQMCSampler(
            scramble=True, seed=context.run_seed, warn_independent_sampling=False
        )
    sampler.number = context.number
    return sampler
