"""Summary of a space: its size, the spread of its costs, and how tight budgets can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mvt_nas.errors import MetricError, listing
from mvt_nas.metrics.names import ACCURACY, COST_NAMES, IMAGENET, LATENCY
from mvt_nas.nas.problem.accuracy_model import load_accuracy_model
from mvt_nas.nas.problem.constraints import Feasibility
from mvt_nas.nas.problem.device_profiles import DeviceProfiles
from mvt_nas.nas.problem.inputs import SearchInputs
from mvt_nas.nas.problem.objectives import Budget, parse_budgets
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.nas.request import tasks_of
from mvt_nas.space.columns import Rows
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import SearchSpace

_NUM_CLASSES = 1000


def summarize_space(
    space: SearchSpace,
    budgets: Sequence[str] = (),
    *,
    tasks: Sequence[str] = (),
    samples: int = 100_000,
    seed: int = 0,
) -> dict[str, Any]:
    """Return the figures of a space as plain data.

    Smallest and largest costs are found by descent (exactly in spaces that are small enough to
    list); medians and shares come from a uniform random sample. Latency and accuracy are included
    if budgets name them.

    Args:
        space: The space.
        budgets: Budgets as texts, on metrics that are known in advance.
        tasks: Tasks as texts, of which the costs are included.
        samples: Size of the random sample.
        seed: Seed of the random sample.

    Raises:
        MetricError: A budget cannot be read, or is not on a metric that is known in advance.
        LatencyError: A device is unknown.
    """
    devices = DeviceProfiles()
    parsed = parse_budgets(budgets, devices.resolve)
    _check_known_in_advance(parsed)
    predictors = _predictors(space, parsed, devices, tasks)
    rows = space.sample(samples, seed)
    bound = Feasibility(predictors, parsed)
    return {
        "name": space.name,
        "hash": space.hash,
        "size": space.size,
        "dimensions": len(space.dimensions),
        "samples": samples,
        "costs": _spread_of_costs(predictors, parsed, rows),
        "published": [name for name in published_names() if space.contains(zoo(name))],
        "feasible_share": float(bound.mask(rows).mean()),
        "satisfiable": bound.satisfiable(seed),
        "budgets": [
            {
                "budget": str(tight.budget),
                "feasible_share": float(Feasibility(predictors, [tight.budget]).mask(rows).mean()),
                "tightest": tight.alone,
                "tightest_together": tight.together,
            }
            for tight in bound.tightest()
        ],
    }


def _check_known_in_advance(budgets: Sequence[Budget]) -> None:
    """Check that no budget needs an evaluation.

    Raises:
        MetricError: One does.
    """
    for budget in budgets:
        if not budget.metric.known_in_advance:
            allowed = listing([*COST_NAMES, LATENCY, ACCURACY, IMAGENET])
            raise MetricError(
                f"{budget}: only what is counted or predicted is known before a search ({allowed})",
                parameter="budgets",
            )


def _predictors(
    space: SearchSpace, budgets: Sequence[Budget], devices: DeviceProfiles, tasks: Sequence[str]
) -> Predictors:
    metrics = [budget.metric for budget in budgets]
    needs_accuracy = any(metric.from_surrogate for metric in metrics)
    inputs = SearchInputs(
        devices.found,
        load_accuracy_model() if needs_accuracy else None,
        tasks_of(metrics, tasks),
    )
    return inputs.predictors(space, _NUM_CLASSES)


def _spread_of_costs(
    predictors: Predictors, budgets: Sequence[Budget], rows: Rows
) -> dict[str, dict[str, Any]]:
    """Return minimum, median and maximum of all costs, and of the metrics of budgets."""
    unlimited = Feasibility(predictors, [])
    values = predictors.of(rows)
    with_budget = {budget.metric for budget in budgets}
    spread = {}
    for name, metric in predictors.metrics.items():
        if metric.is_cost or metric in with_budget:
            spread[name] = {
                "min": unlimited.best(Budget(metric, 0.0, at_most=True)),
                "median": float(np.median(values[name])),
                "max": unlimited.best(Budget(metric, 0.0, at_most=False)),
            }
    return spread
