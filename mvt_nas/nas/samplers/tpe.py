"""Tree-structured Parzen estimator, multivariate.

Source: Bergstra et al., NeurIPS 2011; for several objectives Ozaki et al., JAIR 73 (2022); Optuna's
implementation.
"""

from __future__ import annotations

from optuna.samplers import BaseSampler, TPESampler

from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext


@SAMPLERS.register("tpe")
def tpe(context: SamplerContext) -> BaseSampler:
    """Return Optuna's multivariate TPE."""
    return TPESampler(multivariate=True, constant_liar=True, seed=context.seed)
