"""Gaussian processes with expected (hypervolume) improvement.

A proposal takes seconds in a space of fifty dimensions.

Source: Optuna's implementation.
"""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, GPSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from mvt_nas._threads_and_malloc import one_torch_thread
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext


class _SingleThreadGPSampler(GPSampler):
    """Runs PyTorch on one thread.

    The matrices are small: more threads made a proposal four times as slow on two cores.
    """

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        with one_torch_thread():
            return super().sample_relative(study, trial, search_space)


@SAMPLERS.register("gp")
def gp(context: SamplerContext) -> BaseSampler:
    """Return Optuna's Gaussian-process sampler."""
    return _SingleThreadGPSampler(warn_independent_sampling=False, seed=context.seed)
