"""The cost table equals the plain lowering of each architecture exactly, in every kind of space."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mvt_nas.cost.counts import count
from mvt_nas.cost.table import CostTable
from mvt_nas.errors import MetricError, SpaceError
from mvt_nas.resources import shipped_names
from mvt_nas.space.columns import Rows
from mvt_nas.space.search_space import SearchSpace, load_space
from tests.support.spaces import SPACES, random_rows

BLOCK: dict[str, Any] = {"block": "mobilevit", "width": 32, "dim": 32}

TRAITS: dict[str, dict[str, Any]] = {
    "stride and resolution": {
        "resolution_px": [32, 33, 47, 64],
        "stem": {"width": [8, 16]},
        "stages": [
            {"width": [16, 8], "stride": [1, 2]},
            BLOCK | {"stride": [1, 2], "patch": [1, 3], "attention": ["multi_head", "separable"]},
        ],
    },
    "every patch": {
        "resolution_px": [60, 72],
        "stem": {"width": 8},
        "defaults": {
            "patch": {"min": 1, "max": 9},
            "resize": ["local", "input"],
            "attention": ["multi_head", "separable"],
        },
        "stages": [BLOCK, BLOCK | {"block": ["conv", "mobilevit"]}],
    },
    "repeated layers": {
        "resolution_px": 64,
        "stem": {"width": 16},
        "defaults": {
            "depth": {"min": 1, "max": 6},
            "transformer_depth": {"min": 1, "max": 6},
            "expansion": [1, 1.5, 4],
        },
        "stages": [
            {"width": [16, 24], "stride": 1},
            BLOCK
            | {
                "attention": ["multi_head", "separable"],
                "norm": ["layer_norm", "group_norm"],
            },
        ],
    },
    "all of a block": {
        "resolution_px": 80,
        "stem": {"width": 8},
        "head": {"expansion": [0, 2, 4]},
        "stages": [
            BLOCK
            | {
                "width": [24, 240],
                "dim": [24, 40],
                "ffn_multiplier": [0.5, 3],
                "heads": [1, 8],
                "attention": ["multi_head", "separable"],
            }
            | {
                "local_conv": ["full", "depthwise"],
                "local_kernel": [1, 5],
                "fusion": ["none", "input", "local"],
                "fusion_kernel": [1, 3],
            }
            | {
                "residual": [False, True],
                "projection": ["silu", "linear", "none"],
                "fusion_activation": ["silu", "linear"],
                "patch": [2, 3],
            }
            | {
                "concat_order": ["global_last", "global_first"],
                "resize": ["local", "input"],
                "align_corners": [False, True],
            },
        ],
    },
    "shared choices": {
        "resolution_px": [64, 96],
        "stem": {"width": 8},
        "shared": {
            "patch": {"values": [2, 4, 5], "when": {"attention": "separable"}, "otherwise": 3},
            "ffn_multiplier": [1, 1.5, 2],
            "depth": [1, 2],
        },
        "defaults": {"attention": ["multi_head", "separable"]},
        "stages": [
            BLOCK | {"dim": [16, 64]},
            {"width": [32, 48]},
            BLOCK | {"block": ["conv", "mobilevit"], "width": [48, 64]},
        ],
    },
}


def _assert_exact(space: SearchSpace, table: CostTable, rows: Rows, **setting: int) -> None:
    """Compare the costs of rows with the counts of their architectures.

    The costs of their canonical rows must be the same.
    """
    costs, canonical = table.costs(rows), table.costs(space.canonical(rows))
    expected = [count(architecture, **setting) for architecture in space.decode_many(rows)]
    for name in ("params", "macs", "memory_bytes"):
        found = getattr(costs, name)
        assert found.dtype == np.int64
        assert found.tolist() == [getattr(counts, name) for counts in expected]
        assert found.tolist() == getattr(canonical, name).tolist()


def _rows(space: SearchSpace, n: int) -> Rows:
    """Return ``n`` uniform samples, and some raw rows."""
    return np.concatenate([space.sample(n, seed=11), random_rows(space, 4 * n, seed=12)[:n]])


@pytest.mark.parametrize("name", [name for name in shipped_names() if name != "tiny"])
def test_shipped_spaces_are_exact(name: str) -> None:
    space = load_space(name)
    _assert_exact(space, CostTable(space), _rows(space, 150))


def test_all_of_tiny_is_exact() -> None:
    space = load_space("tiny")
    _assert_exact(space, CostTable(space, num_classes=10), space.enumerate(), num_classes=10)


@pytest.mark.parametrize(
    "setting", [{}, {"batch_size": 3, "in_channels": 1, "num_classes": 7}], ids=["usual", "unusual"]
)
@pytest.mark.parametrize("name", TRAITS)
def test_spaces_with_one_trait_are_exact(name: str, setting: dict[str, int]) -> None:
    space = SearchSpace(TRAITS[name])
    _assert_exact(space, CostTable(space, **setting), _rows(space, 150), **setting)


@pytest.mark.parametrize("name", SPACES)
def test_small_spaces_are_exact(name: str) -> None:
    space = SearchSpace(SPACES[name])
    _assert_exact(space, CostTable(space), _rows(space, 40))


def test_no_rows_cost_nothing() -> None:
    space = load_space("tiny")
    assert (
        CostTable(space).costs(np.zeros((0, len(space.dimensions)), dtype=np.int32)).macs.tolist()
        == []
    )


def test_costs_do_not_depend_on_the_other_rows() -> None:
    space = load_space("tiny")
    table, rows = CostTable(space), space.sample(20_000, seed=0)
    alone = table.costs(rows[12_345:12_346])
    assert table.costs(rows).memory_bytes[12_345] == alone.memory_bytes[0]
    assert table.costs(rows.astype(np.int64)).macs.tolist() == table.costs(rows).macs.tolist()


def test_costs_by_name() -> None:
    space = load_space("tiny")
    costs = CostTable(space).costs(space.sample(3, seed=0))
    assert costs["macs"] is costs.macs
    assert (costs["memory_mb"] * 1e6 == costs.memory_bytes).all()
    with pytest.raises(
        MetricError,
        match=r"^unknown cost 'mcas'; did you mean 'macs'\? \(known: params, macs, memory_mb\)$",
    ):
        costs["mcas"]


def test_what_is_too_large_to_tabulate_is_refused_in_one_line() -> None:
    large = {"min": 1, "max": 1024}
    stage = {
        "block": "mobilevit",
        "width": large,
        "dim": large,
        "attention": "separable",
        "patch": {"min": 1, "max": 64},
    }
    space = SearchSpace({"stem": {"width": 16}, "stages": [stage]}, "large")
    with pytest.raises(
        SpaceError,
        match=(
            r"^large: 67108864 combinations of .*stage1.dim.* are too many to tabulate; at most \d+"
            r" \(.*\)$"
        ),
    ):
        CostTable(space)


@pytest.mark.parametrize("change", ["negative", "too large", "fraction", "flat", "short", "none"])
def test_rows_that_are_none_are_refused(change: str) -> None:
    space = load_space("tiny")
    rows = space.sample(2, seed=0)
    wrong = {
        "negative": np.where(rows == rows.max(), -1, rows),
        "too large": rows + 99,
        "fraction": rows + 0.5,
        "flat": rows[0],
        "short": rows[:, 1:],
        "none": None,
    }[change]
    with pytest.raises(SpaceError, match=r"out of range|a row is 13 integers"):
        CostTable(space).costs(wrong)
