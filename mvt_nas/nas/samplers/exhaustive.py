"""Exhaustive sampler: all feasible architectures in the order of the space."""

from __future__ import annotations

from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from mvt_nas.errors import MetricError
from mvt_nas.nas.problem.constraints import SMALL
from mvt_nas.nas.samplers.base import SAMPLERS, SamplerContext
from mvt_nas.space.columns import Rows


class ExhaustiveSampler(BaseSampler):
    """Proposes the feasible row whose index is the trial's number.

    Args:
        rows: All feasible rows, (n, dimensions).
        names: Names of the dimensions.
        number: Number of the trial.
    """

    def __init__(self, rows: Rows, names: list[str], number: int) -> None:
        self._rows = rows
        self._names = names
        self._number = number

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return no dimension: the proposal does not depend on the distributions."""
        return {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the codes of the row."""
        row = self._rows[self._number % len(self._rows)]
        return dict(zip(self._names, (int(code) for code in row), strict=True))

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return one code of the row."""
        return self.sample_relative(study, trial, {})[param_name]


@SAMPLERS.register("exhaustive")
def exhaustive(context: SamplerContext) -> BaseSampler:
    """Return the exhaustive sampler.

    Raises:
        MetricError: The space is too large to enumerate.
    """
    rows = context.feasibility.enumerate()
    space = context.feasibility.space
    if rows is None:
        raise MetricError(
            f"exhaustive: {space.size} architectures are too many; at most {SMALL} (fix dimensions"
            " to make the space smaller)",
            parameter="sampler",
        )
    return ExhaustiveSampler(
        rows, [dimension.name for dimension in space.dimensions], context.number
    )
