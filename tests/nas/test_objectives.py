"""Objectives and budgets as people write them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mvt_nas.errors import MetricError
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.problem.objectives import (
    Budget,
    Objective,
    costly_metrics,
    parse_objectives,
    worst_excess,
)


@pytest.mark.parametrize(
    ("text", "metric", "direction"),
    [
        ("macs", "macs", "min"),
        ("params:min", "params", "min"),
        ("memory_mb", "memory_mb", "min"),
        ("log_synflow", "log_synflow", "max"),
        ("channel_entropy:max", "channel_entropy", "max"),
        ("channel_entropy:min", "channel_entropy", "min"),
    ],
)
def test_an_objective_has_the_direction_it_names_or_its_metrics_own(
    text: str, metric: str, direction: str
) -> None:
    objective = Objective.parse(text)
    assert (objective.name, objective.direction) == (metric, direction)
    assert Objective.parse(str(objective)) == objective


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "maccs",
            (
                r"unknown metric 'maccs'; did you mean 'macs'\? \(known: accuracy,"
                r" trained_accuracy, imagenet_top1, params, "
            ),
        ),
        ("", "unknown metric ''"),
        ("macs:max", "a cost can only be minimised; macs:min"),
        ("accuracy:min", "accuracy can only be maximised; accuracy:max"),
        ("trained_accuracy:min", "trained_accuracy can only be maximised"),
        ("accuracy_beyond:max", "accuracy_beyond can only be minimised"),
        ("macs:down", "the direction 'down' is not allowed; min or max"),
        ("macs:min:max", "the direction 'min:max' is not allowed"),
        ("log_sinflow:max", r"did you mean 'log_synflow'\?"),
    ],
)
def test_an_objective_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        Objective.parse(text)


def test_objectives_are_named_once_and_there_is_one() -> None:
    assert [str(objective) for objective in parse_objectives(["macs", "params:min"])] == [
        "macs:min",
        "params:min",
    ]
    with pytest.raises(MetricError, match="objectives: macs is given twice"):
        parse_objectives(["macs", "params", "macs:min"])
    with pytest.raises(MetricError, match="objectives: at least one is needed"):
        parse_objectives([])


@pytest.mark.parametrize(
    ("text", "metric", "bound", "at_most"),
    [
        ("macs<=1.2G", "macs", 1.2e9, True),
        ("macs <= 600 M", "macs", 6e8, True),
        ("params<=5000k", "params", 5e6, True),
        ("params>=5000K", "params", 5e6, False),
        ("macs<=2B", "macs", 2e9, True),
        ("macs<=0.001T", "macs", 1e9, True),
        ("macs<=1.5e9", "macs", 1.5e9, True),
        (" memory_mb<=20 ", "memory_mb", 20.0, True),
        ("memory_mb<=.5", "memory_mb", 0.5, True),
        ("log_synflow>=-3", "log_synflow", -3.0, False),
        ("channel_entropy>=+1E2", "channel_entropy", 100.0, False),
    ],
)
def test_a_budget_is_a_metric_a_sign_and_a_number(
    text: str, metric: str, bound: float, at_most: bool
) -> None:
    budget = Budget.parse(text)
    assert (budget.name, budget.at_most) == (metric, at_most)
    assert budget.bound == pytest.approx(bound, rel=1e-15)


@pytest.mark.parametrize(
    "bound", [1.2e9, 0.1, 1 / 3, 1234567890123.0, 2.0**60, 1e-7, -5.5, 1e300, 6e8 + 0.5]
)
def test_a_budget_as_text_is_read_back_to_the_last_digit(bound: float) -> None:
    budget = Budget(Metric.parse("macs"), bound, at_most=False)
    assert Budget.parse(str(budget)) == budget


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("macs", "cannot be read; write for example 'macs<=1.2G'"),
        ("macs<1G", "cannot be read"),
        ("macs=1G", "cannot be read"),
        ("macs<=", "cannot be read"),
        ("macs<=1.2GB", "cannot be read"),
        ("macs<=1,2G", "cannot be read"),
        ("macs<=nan", "cannot be read"),
        ("macs<=inf", "cannot be read"),
        ("macs<=1e999", "the bound has to be finite"),
        ("macs<=1e300T", "the bound has to be finite"),
        ("macs<=1.2.3", "'1.2.3' is no number"),
        ("macs<=.", "'.' is no number"),
        ("mac<=1G", r"unknown metric 'mac'; did you mean 'macs'\?"),
        ("<=1G", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_a_budget_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(MetricError, match=message):
        Budget.parse(text)


def test_a_budget_is_met_on_its_bound() -> None:
    assert Budget.parse("macs<=10").excess(10.0) == 0.0
    assert Budget.parse("macs<=10").excess(12.0) == 2.0
    assert Budget.parse("macs>=10").excess(12.0) == -2.0
    assert Budget.parse("macs>=10").excess(7.0) == 3.0


@pytest.mark.parametrize("text", ["macs<=10", "macs>=10", "macs<=0.3"])
def test_the_excess_of_an_array_is_that_of_its_values(text: str) -> None:
    budget = Budget.parse(text)
    values = np.array([7.0, 10.0, 12.5, 0.3])
    expected = [budget.excess(float(value)) for value in values]
    assert budget.excess(values).tolist() == expected


@pytest.mark.parametrize(("text", "costs"), [("macs", [1.0, 3.0]), ("snip:max", [-1.0, -3.0])])
def test_values_of_an_objective_become_costs(text: str, costs: list[float]) -> None:
    objective = Objective.parse(text)
    assert objective.cost(np.array([1.0, 3.0])).tolist() == costs
    assert objective.cost(3.0) == costs[1]


def test_the_worst_excess_is_over_the_metrics_that_have_a_score() -> None:
    budgets = [Budget.parse(text) for text in ("macs<=10", "params<=5", "log_synflow>=1")]
    assert worst_excess(budgets, {"macs": 11.0, "params": 9.0}) == 4.0
    assert worst_excess(budgets, {"macs": 9.0, "log_synflow": 3.0}) == -1.0
    assert worst_excess(budgets, {}) == 0.0
    assert math.isinf(worst_excess(budgets, {"macs": math.inf}))


def test_costly_metrics_are_those_no_table_knows_each_once_and_in_order() -> None:
    objectives = parse_objectives(["snip", "macs", "log_synflow"])
    budgets = [Budget.parse(text) for text in ("channel_entropy>=3", "snip<=9", "params<=1M")]
    costly = costly_metrics(objectives, budgets)
    assert list(map(str, costly)) == ["snip", "log_synflow", "channel_entropy"]
