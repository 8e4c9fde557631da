"""Predicted latency in cost tables equals that of the whole network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mvt_nas.blocks.graph import Graph
from mvt_nas.cost.reductions import KernelCost, total
from mvt_nas.cost.table import CostTable
from mvt_nas.errors import MetricError
from mvt_nas.latency.model.kernels import kernels
from mvt_nas.latency.model.vectorized import vectorized_ms
from mvt_nas.models.lowering import lower
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.cost.test_cost_table import TRAITS
from tests.support.device_profiles import predictor
from tests.support.spaces import SPACES, random_rows

pytestmark = pytest.mark.slow

FIRST, SECOND = predictor(1), predictor(2)
KERNEL_COSTS = (
    KernelCost("first", vectorized_ms(FIRST), FIRST.fixed_ms),
    KernelCost("second", vectorized_ms(SECOND), SECOND.fixed_ms, batch_size=4),
)


def _assert_predicted(space: SearchSpace, n: int, **setting: int) -> None:
    """Compare both kernel costs of rows with the predictions for the whole networks."""
    rows = np.concatenate([space.sample(n, seed=3), random_rows(space, 4 * n, seed=4)[:n]])
    costs = CostTable(space, kernel_costs=KERNEL_COSTS, **setting).costs(rows)
    classes = {"num_classes": setting["num_classes"]} if "num_classes" in setting else {}
    architectures = space.decode_many(rows)
    for name, model, batch_size in (
        ("first", FIRST, setting.get("batch_size", 1)),
        ("second", SECOND, 4),
    ):
        expected = [
            model.predict(architecture, batch_size=batch_size, **classes).ms
            for architecture in architectures
        ]
        assert costs[name].dtype == np.float64
        assert costs[name] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "setting", [{}, {"batch_size": 3, "num_classes": 7}], ids=["usual", "unusual"]
)
@pytest.mark.parametrize("name", TRAITS)
def test_spaces_with_one_trait_are_predicted_in_parts(name: str, setting: dict[str, int]) -> None:
    _assert_predicted(SearchSpace(TRAITS[name]), 25, **setting)


@pytest.mark.parametrize("name", SPACES)
def test_small_spaces_are_predicted_in_parts(name: str) -> None:
    _assert_predicted(SearchSpace(SPACES[name]), 10)


def test_the_full_space_is_predicted_in_parts() -> None:
    _assert_predicted(
        load_space("mobilevit").fix({"stage3.block": "mobilevit", "resolution_px": 288}), 50
    )


def test_a_kernel_cost_leaves_the_exact_costs_alone() -> None:
    space = load_space("tiny")
    rows = space.sample(500, seed=0)
    plain, with_kernel_costs = (
        CostTable(space).costs(rows),
        CostTable(space, kernel_costs=KERNEL_COSTS).costs(rows),
    )
    for name in ("params", "macs", "memory_bytes"):
        assert plain[name].tolist() == with_kernel_costs[name].tolist()


def test_any_sum_over_kernels_can_be_a_cost() -> None:
    space = load_space("tiny")
    table = CostTable(
        space,
        num_classes=10,
        kernel_costs=[KernelCost("moved", lambda graph: total(graph.ops, "moved"), fixed=0.5)],
    )
    rows = space.sample(50, seed=0)
    expected = [
        total(lower(one, num_classes=10).ops, "moved") + 0.5 for one in space.decode_many(rows)
    ]
    assert table.costs(rows)["moved"].tolist() == expected
    assert table.names == ("params", "macs", "memory_mb", "moved")
    with pytest.raises(
        MetricError,
        match=(
            r"^unknown cost 'moves'; did you mean 'moved'\? \(known: params, macs, memory_mb,"
            r" moved\)$"
        ),
    ):
        table.costs(rows)["moves"]


def _lowered(width: Any) -> Graph:
    """Return the kernels of a small network with one width left open."""
    graph = Graph()
    x = graph.activation(graph.conv(graph.input(2, 3, 33, 33), width, 3, stride=2, norm=True))
    y = graph.add(x, graph.conv(x, width, norm=True))
    tokens = graph.transpose(y, 2, 289, width)
    graph.linear(
        graph.norm(graph.add(tokens, graph.linear(tokens, width)), "layer_norm", width), 10
    )
    return graph


def test_all_kernels_at_once_are_one_after_the_other() -> None:
    widths = np.array([8, 24, 400, 64])
    many = vectorized_ms(FIRST)(_lowered(widths))
    assert many == pytest.approx(FIRST.kernels_ms(_lowered(widths)), rel=1e-12)
    for width, found in zip(widths.tolist(), many, strict=True):
        assert found == pytest.approx(FIRST.kernels_ms(_lowered(width)), rel=1e-12)
        assert vectorized_ms(FIRST)(_lowered(width)) == found, (
            "the last digit depends on how many are evaluated together"
        )
    assert "norm_after_add" in {kernel.kind for kernel in kernels(_lowered(8).ops)}


def test_predictors_that_take_turns_do_not_mix() -> None:
    graphs = [_lowered(np.array([8, 16])), _lowered(np.array([32, 48]))]
    for graph in (*graphs, *graphs):
        for model in (FIRST, SECOND):
            assert vectorized_ms(model)(graph) == pytest.approx(model.kernels_ms(graph), rel=1e-12)
