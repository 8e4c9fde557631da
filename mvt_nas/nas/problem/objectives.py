"""Objectives and budgets of a search, and their spelling on the command line.

An objective is ``channel_entropy:max`` or ``macs``, a budget ``macs<=1.2G`` or
``latency_ms@NAME<=15``. The device behind an ``@`` is only looked up by
:class:`~mvt_nas.nas.problem.device_profiles.DeviceProfiles`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar, overload

from mvt_nas.errors import MetricError
from mvt_nas.metrics.direction import Direction
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.nas.problem.metrics import parse_metric

if TYPE_CHECKING:
    from mvt_nas._typing import FloatArray

_SUFFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}

# Floats hold every integer below it.
_EXACT = 2.0**53

_BUDGET = re.compile(
    r"""\s*
    ([A-Za-z_][\w.\-]*(?:@[^<>=]*[^<>=\s])?)  # metric, with the device of a latency
    \s*(<=|>=)\s*
    ([-+]?[\d.]+(?:[eE][-+]?\d+)?)            # bound
    \s*([kKMGBT]?)\s*                         # factor of the bound
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to optimise.

    Attributes:
        metric: The metric.
        direction: Direction of the search, which for a proxy need not be the metric's own.
    """

    metric: Metric
    direction: Direction

    def __str__(self) -> str:
        return f"{self.metric}:{self.direction}"

    @property
    def name(self) -> str:
        """Full name of the metric, the key of its values in scores."""
        return self.metric.full_name

    @overload
    def cost(self, value: float) -> float: ...

    @overload
    def cost(self, value: FloatArray) -> FloatArray: ...

    def cost(self, value: float | FloatArray) -> float | FloatArray:
        """Return a value of the metric, or an array of values, as a cost: less is better."""
        return self.direction.sign * value

    @staticmethod
    def parse(text: str) -> Objective:
        """Return the objective spelled ``NAME``, ``NAME:min`` or ``NAME:max``.

        Raises:
            MetricError: There is no such metric or direction.
        """
        name, given = _split_direction(text)
        metric = parse_metric(name)
        if not given:
            return Objective(metric, metric.direction)
        if given not in tuple(Direction):
            raise MetricError(
                f"{text}: the direction {given!r} is not allowed; min or max",
                parameter="objectives",
            )
        direction = Direction(given)
        if direction is not metric.direction and metric.source is not Source.PROXY:
            subject = "a cost" if metric.is_cost else name
            raise MetricError(
                f"{text}: {subject} can only be {metric.direction}imised;"
                f" {name}:{metric.direction}",
                parameter="objectives",
            )
        return Objective(metric, direction)


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound on a metric.

    Attributes:
        metric: The metric.
        bound: The last value that is allowed.
        at_most: Whether the metric may not exceed the bound; else it may not fall below it.
    """

    metric: Metric
    bound: float
    at_most: bool = True

    def __str__(self) -> str:
        """Return the spelling from which exactly this budget is parsed."""
        sign = "<=" if self.at_most else ">="
        whole = self.bound.is_integer() and abs(self.bound) < _EXACT
        return f"{self.metric}{sign}{int(self.bound) if whole else repr(self.bound)}"

    @property
    def name(self) -> str:
        """Full name of the metric, the key of its values in scores."""
        return self.metric.full_name

    @property
    def direction(self) -> Direction:
        """Direction in which values move away from the bound, into what is allowed."""
        return Direction.MIN if self.at_most else Direction.MAX

    @overload
    def excess(self, value: float) -> float: ...

    @overload
    def excess(self, value: FloatArray) -> FloatArray: ...

    def excess(self, value: float | FloatArray) -> float | FloatArray:
        """Return by how much a value, or each value of an array, breaks the budget.

        It is zero or less where the budget is met.
        """
        return self.direction.sign * (value - self.bound)

    @staticmethod
    def parse(text: str) -> Budget:
        """Return the budget spelled ``NAME<=VALUE`` or ``NAME>=VALUE``.

        K, M, G (or B) and T behind the value multiply it by powers of a thousand.

        Raises:
            MetricError: The text cannot be read, or there is no such metric.
        """
        match = _BUDGET.fullmatch(text)
        if match is None:
            raise MetricError(
                f"{text!r} cannot be read; write for example 'macs<=1.2G'", parameter="budgets"
            )
        name, sign, number, suffix = match.groups()
        metric = parse_metric(name)
        try:
            bound = float(number) * _SUFFIXES[suffix]
        except ValueError:
            raise MetricError(f"{text!r}: {number!r} is no number", parameter="budgets") from None
        if not math.isfinite(bound):
            raise MetricError(f"{text!r}: the bound has to be finite", parameter="budgets")
        return Budget(metric, bound, at_most=sign == "<=")


Goal = TypeVar("Goal", Objective, Budget)


def _split_direction(text: str) -> tuple[str, str]:
    """Return the metric and the direction of an objective's spelling."""
    name, _, direction = text.partition(":")
    if "@" not in name:
        return name, direction
    # The device may be a path in which colons are allowed, so only a last word is a direction.
    match = re.fullmatch(r"(.*):(\w*)", text, re.DOTALL)
    return (match[1], match[2]) if match else (text, "")


def unchanged(metric: Metric) -> Metric:
    """Return the metric itself: latencies without a device keep none."""
    return metric


def parse_objectives(
    texts: Sequence[str | Objective], resolve: Callable[[Metric], Metric] = unchanged
) -> list[Objective]:
    """Return the objectives of a search.

    Args:
        texts: Spellings, or objectives, which are kept as they are.
        resolve: Gives the latencies among the spelled metrics their device.

    Raises:
        MetricError: One cannot be read, is given twice, or there are none.
    """
    objectives = [
        text if isinstance(text, Objective) else _resolved(Objective.parse(text), resolve)
        for text in texts
    ]
    names = [objective.name for objective in objectives]
    for name in names:
        if names.count(name) > 1:
            raise MetricError(f"{name} is given twice", parameter="objectives")
    if not objectives:
        raise MetricError("at least one is needed, such as macs:min", parameter="objectives")
    return objectives


def parse_budgets(
    texts: Sequence[str | Budget], resolve: Callable[[Metric], Metric] = unchanged
) -> list[Budget]:
    """Return the budgets of a search.

    Args:
        texts: Spellings, or budgets, which are kept as they are.
        resolve: Gives the latencies among the spelled metrics their device.

    Raises:
        MetricError: One cannot be read.
    """
    return [
        text if isinstance(text, Budget) else _resolved(Budget.parse(text), resolve)
        for text in texts
    ]


def _resolved(goal: Goal, resolve: Callable[[Metric], Metric]) -> Goal:
    return replace(goal, metric=resolve(goal.metric))


def metrics_of(objectives: Sequence[Objective], budgets: Sequence[Budget]) -> list[Metric]:
    """Return the metrics of objectives and then budgets, each once."""
    goals: list[Objective | Budget] = [*objectives, *budgets]
    return list(dict.fromkeys(goal.metric for goal in goals))


def costly_metrics(objectives: Sequence[Objective], budgets: Sequence[Budget]) -> list[Metric]:
    """Return the metrics, in order, that only an evaluation gives."""
    return [metric for metric in metrics_of(objectives, budgets) if not metric.known_in_advance]


def worst_excess(budgets: Sequence[Budget], scores: Mapping[str, float]) -> float:
    """Return the largest excess over the budgets on the scored metrics, 0 or less if all are met.

    Args:
        budgets: The budgets; those on a metric without a score are left out.
        scores: Values by full name of the metric.
    """
    return max(
        (budget.excess(scores[budget.name]) for budget in budgets if budget.name in scores),
        default=0.0,
    )
