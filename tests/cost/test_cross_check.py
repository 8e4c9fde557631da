"""The counts of fvcore and thop, and proofs of their differences from ours."""

from __future__ import annotations

import csv
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mvt_nas.blocks.graph import Op
from mvt_nas.cost.counts import count
from mvt_nas.cost.cross_check import count_with_fvcore, count_with_thop
from mvt_nas.cost.reductions import total
from mvt_nas.models.lowering import lower
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from tests.support.architectures import published_params, random_architecture

pytestmark = pytest.mark.slow

DATA = Path(__file__).parents[1] / "data" / "published_models.csv"


def written(ops: list[Op], kind: str) -> int:
    """Return the number of elements that kernels of a kind write."""
    return sum(op.output.elements for op in ops if op.kind == kind)


def batch_normed(ops: list[Op]) -> int:
    """Return the number of elements under a batch norm.

    A convolution has one if its parameters are more than the weights it reads once it is folded.
    """
    return sum(op.output.elements for op in ops if op.kind == "conv" and op.params > op.weights)


def expected_of_fvcore(architecture: Architecture, batch_size: int = 1) -> int:
    ops = lower(architecture, batch_size=batch_size).ops
    macs: int = total(ops, "macs")
    return macs + 2 * batch_normed(ops) + 5 * written(ops, "norm") + 4 * written(ops, "resize")


def expected_of_thop(architecture: Architecture, batch_size: int = 1) -> int:
    ops = lower(architecture, batch_size=batch_size).ops
    macs: int = total([op for op in ops if op.kind != "matmul"], "macs")
    return macs + 4 * batch_normed(ops)


def published_column(column: str) -> dict[str, int]:
    with DATA.open(encoding="utf-8", newline="") as file:
        return {
            name: int(row[column])
            for name, row in zip(published_names(), csv.DictReader(file), strict=True)
        }


@pytest.mark.slow
@pytest.mark.parametrize("name", published_params())
def test_fvcore_counts_ours_and_norms(name: str) -> None:
    counted = count_with_fvcore(zoo(name))
    assert counted.macs == expected_of_fvcore(zoo(name)) > count(zoo(name)).macs
    assert counted.params == count(zoo(name)).params
    assert counted.macs == published_column("macs_fvcore_256")[name]


@pytest.mark.parametrize("name", published_names())
def test_thop_counts_ours_and_batch_norms_without_matrix_products(name: str) -> None:
    counted = count_with_thop(zoo(name))
    assert counted.macs == expected_of_thop(zoo(name))
    token_norms = total([op for op in lower(zoo(name)).ops if op.kind == "norm"], "params")
    assert counted.params == count(zoo(name)).params - token_norms


def test_thop_agrees_with_its_count_of_the_published_networks_where_attention_is_separable() -> (
    None
):
    expected = {
        name: macs
        for name, macs in published_column("macs_thop_256").items()
        if name[-3:].isdigit()
    }
    assert {name: count_with_thop(zoo(name)).macs for name in expected} == expected
    assert len(expected) == 10


def test_the_differences_are_the_same_for_random_architectures_and_batches() -> None:
    kinds = set()
    for seed in range(8):
        architecture = random_architecture(np.random.default_rng(seed))
        kinds |= {op.kind for op in lower(architecture).ops}
        assert count_with_fvcore(architecture).macs == expected_of_fvcore(architecture)
        assert count_with_thop(architecture, batch_size=3).macs == expected_of_thop(
            architecture, batch_size=3
        )
    assert {"resize", "matmul", "norm"} <= kinds
    small = zoo("mobilevit_xxs")
    assert count_with_fvcore(small, batch_size=2).macs == expected_of_fvcore(small, batch_size=2)


def test_counters_say_in_one_line_what_differs() -> None:
    fvcore, thop = (
        count_with_fvcore(zoo("mobilevitv2_050")),
        count_with_thop(zoo("mobilevitv2_050")),
    )
    assert (fvcore.counter, thop.counter) == ("fvcore", "thop")
    assert "norm" in fvcore.missing
    assert "matrix products" in thop.missing
    assert "\n" not in fvcore.missing + thop.missing


def test_counters_print_nothing_and_leave_the_random_state(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before = torch.random.get_rng_state()
    with caplog.at_level(logging.DEBUG):
        count_with_fvcore(zoo("mobilevit_xxs"))
        count_with_thop(zoo("mobilevit_xxs"))
    assert torch.equal(before, torch.random.get_rng_state())
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_the_libraries_load_on_demand_only() -> None:
    code = (
        "import sys, mvt_nas.cost.cross_check; print(sorted({'torch', 'fvcore', 'thop'} &"
        " set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
