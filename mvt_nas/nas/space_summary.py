"""What a space holds: its size, the spread of its costs, and how tight budgets can be."""

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
from mvt_nas.nas.request import tasks_of
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
    """Return the figures of a space as plain data; those of latency and accuracy where budgets name them, of tasks where asked for.

    Smallest and largest costs are found by descent (exactly in spaces that are small enough to
    list); medians and shares come from architectures drawn uniformly.

    Raises:
        MetricError: a budget cannot be read or is not on a cost.
        LatencyError: there is no such device.
    """
    devices = DeviceProfiles()
    parsed = parse_budgets(budgets, devices.resolve)
    for budget in parsed:
        if not budget.metric.known_in_advance:
            those = listing([*COST_NAMES, LATENCY, ACCURACY, IMAGENET])
            raise MetricError(
                f"--budget {budget}: only what is counted or predicted is known before a search"
                f" ({those})"
            )
    requested = [budget.metric for budget in parsed]
    from_surrogate = any(metric.from_surrogate for metric in requested)
    accuracy = load_accuracy_model() if from_surrogate else None
    purposes = tasks_of(requested, tasks)
    known = SearchInputs(devices.found, accuracy, purposes).known(space, _NUM_CLASSES)
    rows = space.sample(samples, seed)
    drawn = known.of(rows)
    free, bound = Feasibility(known, []), Feasibility(known, parsed)
    metrics = {
        name: metric
        for name, metric in known.metrics.items()
        if metric.is_cost or metric in requested
    }
    extremes = {
        name: [free.best(Budget(metric, 0.0, at_most)) for at_most in (True, False)]
        for name, metric in metrics.items()
    }
    return {
        "name": space.name,
        "hash": space.hash,
        "size": space.size,
        "dimensions": len(space.dimensions),
        "samples": samples,
        "costs": {
            n: {"min": extremes[n][0], "median": float(np.median(drawn[n])), "max": extremes[n][1]}
            for n in metrics
        },
        "published": [name for name in published_names() if space.contains(zoo(name))],
        "feasible_share": float(bound.mask(rows).mean()),
        "satisfiable": bound.satisfiable(seed),
        "budgets": [
            {
                "budget": str(tight.budget),
                "feasible_share": float(Feasibility(known, [tight.budget]).mask(rows).mean()),
                "tightest": tight.alone,
                "tightest_together": tight.together,
            }
            for tight in bound.tightest()
        ],
    }
