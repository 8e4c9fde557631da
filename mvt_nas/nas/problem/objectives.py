"""What a search optimises and within which budgets: ``channel_entropy:max``, ``macs<=1.2G``, ``latency_ms@NAME<=15``.

What stands behind the ``@`` is only looked up by ``devices.py``, which gives metrics their full
names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from mvt_nas.errors import MetricError
from mvt_nas.metrics.names import TRAINED, is_cost, is_latency
from mvt_nas.nas.problem.metrics import Direction, is_known_in_advance, metric_direction

_SUFFIXES = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12}
_EXACT = 2.0**53  # below it, floats hold every integer
_BUDGET = re.compile(
    r"^\s*([A-Za-z_][\w.\-]*(?:@[^<>=]*[^<>=\s])?)\s*(<=|>=)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*([kKMGBT]?)\s*$"
)


@dataclass(frozen=True, slots=True)
class Objective:
    """One thing to optimise.

    Attributes:
        metric: its name.
        direction: ``"min"`` or ``"max"``.
    """

    metric: str
    direction: Direction

    def __str__(self) -> str:
        return f"{self.metric}:{self.direction}"

    @staticmethod
    def parse(text: str) -> Objective:
        """Return the objective in ``NAME``, ``NAME:min`` or ``NAME:max``.

        Raises:
            MetricError: no such metric or direction.
        """
        name, direction = _parted(text)
        default = metric_direction(name)
        if direction not in ("", "min", "max"):
            raise MetricError(
                f"{text}: the direction {direction!r} is not allowed; min or max",
                parameter="objectives",
            )
        if (is_known_in_advance(name) or name == TRAINED) and direction not in ("", default):
            what, how = ("a cost", "minimised") if is_cost(name) else (name, f"{default}imised")
            raise MetricError(
                f"{text}: {what} can only be {how}; {name}:{default}", parameter="objectives"
            )
        return Objective(name, direction if direction in ("min", "max") else default)  # type: ignore[arg-type]  # checked above


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound on a metric.

    Attributes:
        metric: its name.
        bound: the value that is still allowed.
        at_most: whether the metric may not exceed the bound; else it may not fall below it.
    """

    metric: str
    bound: float
    at_most: bool = True

    def __str__(self) -> str:
        """Return the text from which exactly this budget is parsed."""
        whole = self.bound.is_integer() and abs(self.bound) < _EXACT
        return f"{self.metric}{'<=' if self.at_most else '>='}{int(self.bound) if whole else repr(self.bound)}"

    def excess(self, value: float) -> float:
        """Return by how much ``value`` breaks the budget; zero or less where it is met."""
        return value - self.bound if self.at_most else self.bound - value

    @staticmethod
    def parse(text: str) -> Budget:
        """Return the budget in ``NAME<=VALUE`` or ``NAME>=VALUE``; K, M, G and T multiply by powers of a thousand.

        Raises:
            MetricError: it cannot be read, or there is no such metric.
        """
        match = _BUDGET.match(text)
        if match is None:
            raise MetricError(
                f"{text!r} cannot be read; write for example 'macs<=1.2G'", parameter="budgets"
            )
        metric_direction(match[1])
        try:
            bound = float(match[3]) * _SUFFIXES[match[4]]
        except ValueError:
            raise MetricError(f"{text!r}: {match[3]!r} is no number", parameter="budgets") from None
        if not math.isfinite(bound):
            raise MetricError(f"{text!r}: the bound has to be finite", parameter="budgets")
        return Budget(match[1], bound, match[2] == "<=")


Metric = TypeVar("Metric", Objective, Budget)


def _parted(text: str) -> tuple[str, str]:
    """Return the name and the direction; a device may be a path, in which colons are allowed."""
    name, _, direction = text.partition(":")
    if is_latency(name):
        name, _, direction = text.rpartition(":") if re.search(r":\w*$", text) else (text, "", "")
    return name, direction


def parse_objectives(
    texts: Sequence[str | Objective], full_name: Callable[[str], str] = str
) -> list[Objective]:
    """Return the objectives of a search; ``full_name`` gives the metrics of those in texts their full names.

    Raises:
        MetricError: one cannot be read, is named twice, or there are none.
    """
    objectives = [
        one if isinstance(one, Objective) else _renamed(Objective.parse(one), full_name)
        for one in texts
    ]
    names = [objective.metric for objective in objectives]
    for name in names:
        if names.count(name) > 1:
            raise MetricError(f"{name} is given twice", parameter="objectives")
    if not objectives:
        raise MetricError("at least one is needed, such as macs:min", parameter="objectives")
    return objectives


def parse_budgets(
    texts: Sequence[str | Budget], full_name: Callable[[str], str] = str
) -> list[Budget]:
    """Return the budgets of a search; ``full_name`` gives the metrics of those in texts their full names.

    Raises:
        MetricError: one cannot be read.
    """
    return [
        one if isinstance(one, Budget) else _renamed(Budget.parse(one), full_name) for one in texts
    ]


def _renamed(one: Metric, full_name: Callable[[str], str]) -> Metric:
    return replace(one, metric=full_name(one.metric))


def costly_metrics(objectives: Sequence[Objective], budgets: Sequence[Budget]) -> list[str]:
    """Return the metrics, in order, that only an evaluation gives."""
    names = dict.fromkeys([*(o.metric for o in objectives), *(b.metric for b in budgets)])
    return [name for name in names if not is_known_in_advance(name)]


def worst_excess(budgets: Sequence[Budget], scores: Mapping[str, float]) -> float:
    """Return the largest excess over the budgets whose metric is among the scores; 0 or less where all are met."""
    return max(
        (budget.excess(scores[budget.metric]) for budget in budgets if budget.metric in scores),
        default=0.0,
    )
