"""Counts against the kernels that torch executes, published figures, and closed forms."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mvt_nas._fields import specs
from mvt_nas.blocks.graph import Graph
from mvt_nas.blocks.mobilevit.attention_lowering import lower_multi_head, lower_separable
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.cost.counts import Counts, count
from mvt_nas.cost.reductions import background_elements, peak_elements, total
from mvt_nas.cost.table import CostTable
from mvt_nas.errors import ArchitectureError
from mvt_nas.models.lowering import lower
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.published import published_names, zoo
from mvt_nas.space.search_space import load_space
from tests.support.architectures import random_architecture
from tests.support.tracing import fold_batch_norms, kernels, moved_bytes, peak_bytes

DATA = Path(__file__).parents[1] / "data" / "published_models.csv"


def assert_counts_are_what_runs(
    architecture: Architecture, batch_size: int = 1, in_channels: int = 3, num_classes: int = 1000
) -> None:
    """Compare every count, and the kernels one by one, with a traced inference."""
    model = build_model(
        architecture, num_classes=num_classes, in_channels=in_channels, device="meta"
    ).eval()
    params = sum(parameter.numel() for parameter in model.parameters())
    fold_batch_norms(model)
    side = architecture.resolution_px
    with FlopCounterMode(display=False) as flops:
        trace = kernels(model, torch.empty(batch_size, in_channels, side, side, device="meta"))
    counts = count(
        architecture, batch_size=batch_size, in_channels=in_channels, num_classes=num_classes
    )
    graph = lower(
        architecture, batch_size=batch_size, in_channels=in_channels, num_classes=num_classes
    )
    lowered = [
        (op.kind, sum(tensor.elements for tensor in op.inputs) + op.weights, op.output.elements)
        for op in graph.ops
    ]
    assert lowered == [(kernel.kind, *kernel.moved) for kernel in trace]
    assert counts == Counts(
        params, flops.get_total_flops() // 2, peak_bytes(trace, model), moved_bytes(trace)
    )


def assert_random_counts_are_what_runs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    architecture = random_architecture(rng)
    batch_size, in_channels, num_classes = (
        int(rng.choice(options)) for options in ((1, 3), (3, 1), (1000, 7))
    )
    assert_counts_are_what_runs(architecture, batch_size, in_channels, num_classes)


def test_published_models_weigh_and_compute_what_is_published() -> None:
    with DATA.open(encoding="utf-8", newline="") as file:
        expected = [
            (int(row["params_exact"]), int(row["macs_conv_linear_matmul_256"]))
            for row in csv.DictReader(file)
        ]
    found = [count(zoo(name)) for name in published_names()]
    assert [(counts.params, counts.macs) for counts in found] == expected
    assert len(found) == 19


@pytest.mark.parametrize("name", published_names())
def test_published_models_count_what_runs(name: str) -> None:
    assert_counts_are_what_runs(zoo(name))


@pytest.mark.parametrize(("batch_size", "resolution_px"), [(3, 200), (2, 168)])
def test_counts_hold_for_batches_and_maps_that_patches_do_not_divide(
    batch_size: int, resolution_px: int
) -> None:
    for name in ("mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xs"):
        architecture = dataclasses.replace(zoo(name), resolution_px=resolution_px)
        assert "resize" in {op.kind for op in lower(architecture).ops}
        assert_counts_are_what_runs(architecture, batch_size)


@pytest.mark.slow
@pytest.mark.parametrize(
    "first",
    [
        pytest.param(first, marks=pytest.mark.soak if first >= 60 else ())
        for first in range(0, 200, 20)
    ],
)
def test_random_architectures_count_what_runs(first: int) -> None:
    for seed in range(first, first + 20):
        assert_random_counts_are_what_runs(seed)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1000, 2000, 100))
def test_a_thousand_random_architectures_count_what_runs(first: int) -> None:
    for seed in range(first, first + 100):
        assert_random_counts_are_what_runs(seed)


def test_the_meta_device_runs_the_kernels_that_the_cpu_runs() -> None:
    for seed in range(4):
        architecture = dataclasses.replace(
            random_architecture(np.random.default_rng(seed)), resolution_px=72
        )
        traces = []
        for device in ("meta", "cpu"):
            model = fold_batch_norms(build_model(architecture, device=device, seed=0).eval())
            traces.append(
                [
                    (kernel.kind, kernel.moved)
                    for kernel in kernels(model, torch.zeros(2, 3, 72, 72, device=device))
                ]
            )
        assert traces[0] == traces[1]


def test_random_architectures_take_every_choice_and_repeat() -> None:
    drawn = [random_architecture(np.random.default_rng(seed)) for seed in range(200)]
    assert drawn == [random_architecture(np.random.default_rng(seed)) for seed in range(200)]
    stages = [stage for architecture in drawn for stage in architecture.stages]
    blocks = [stage.block for stage in stages if isinstance(stage.block, MobileViT)]
    assert len({architecture.key for architecture in drawn}) == 200
    assert {stage.kind for stage in stages} == {"conv", "mobilevit"}
    for name, spec in specs(MobileViT).items():
        options = (
            set(spec.choices) if spec.kind is str else {True, False} if spec.kind is bool else set()
        )
        assert options <= {getattr(block, name) for block in blocks}, name


def test_a_convolution_by_hand() -> None:
    graph = Graph()
    graph.conv(graph.input(2, 3, 11, 11), 8, 3, stride=2, norm=True)
    graph.conv(graph.input(2, 8, 6, 6), 8, 5, depthwise=True)
    graph.conv(graph.input(2, 8, 6, 6), 4, bias=True)
    macs = [2 * 8 * 6 * 6 * 27, 2 * 8 * 6 * 6 * 25, 2 * 4 * 6 * 6 * 8]
    assert [op.macs for op in graph.ops] == macs
    assert [op.params for op in graph.ops] == [8 * 27 + 16, 8 * 25, 4 * 8 + 4]
    assert [op.weights for op in graph.ops] == [8 * 27 + 8, 8 * 25, 4 * 8 + 4]
    assert graph.ops[0].moved == 2 * 3 * 11 * 11 + 2 * 8 * 6 * 6 + 8 * 27 + 8


def test_a_linear_layer_by_hand() -> None:
    graph = Graph()
    graph.linear(graph.input(2, 5, 7), 11)
    assert (graph.ops[0].macs, graph.ops[0].params) == (2 * 5 * 7 * 11, 7 * 11 + 11)
    assert graph.ops[0].moved == 2 * 5 * 7 + 2 * 5 * 11 + 7 * 11 + 11


def test_a_multi_head_layer_by_hand() -> None:
    batch, dim, positions, patches, ffn = 3, 24, 4, 50, 40
    graph = Graph()
    tokens = graph.input(batch, dim, positions, patches)
    lower_multi_head(graph, tokens, dim=dim, ffn_dim=ffn, depth=1, norm="layer_norm", heads=4)
    dense = 4 * dim * dim + 2 * dim * ffn  # query, key, value, output; feed-forward
    between = 2 * patches * dim  # scores and weighted values, over all heads
    assert total(graph.ops, "macs") == batch * positions * patches * (dense + between)
    assert total(graph.ops, "params") == dense + (4 * dim + ffn + dim) + 3 * 2 * dim


def test_a_separable_layer_by_hand() -> None:
    batch, dim, positions, patches, ffn = 3, 24, 4, 50, 40
    graph = Graph()
    tokens = graph.input(batch, dim, positions, patches)
    lower_separable(graph, tokens, dim=dim, ffn_dim=ffn, depth=1, norm="group_norm", heads=1)
    dense = (1 + 2 * dim) * dim + dim * dim + 2 * dim * ffn
    assert total(graph.ops, "macs") == batch * positions * patches * dense
    assert total(graph.ops, "params") == dense + (1 + 2 * dim + dim + ffn + dim) + 3 * 2 * dim


def test_memory_of_two_kernels_by_hand() -> None:
    graph = Graph()
    image = graph.input(1, 3, 4, 4)  # 48 elements
    graph.activation(graph.conv(image, 2, 3))  # 32 and 32
    assert peak_elements(graph) == 48 + 32
    assert peak_elements(graph, held=[image]) == 48 + 32 + 32


def test_memory_of_a_shortcut_and_of_views_by_hand() -> None:
    graph = Graph()
    x = graph.input(1, 10)
    wide = graph.linear(x, 30)
    part = graph.view(wide, 1, 10)  # keeps all 30 alive
    y = graph.activation(graph.linear(part, 5))
    assert peak_elements(graph) == 10 + 30
    graph.add(graph.linear(y, 10), x)
    assert peak_elements(graph) == 10 + 30 + 5  # now x is needed to the end


def test_a_held_tensor_counts_to_the_end_and_an_unused_one_does_not() -> None:
    graph = Graph()
    unused = graph.input(1, 100)
    first = graph.linear(graph.input(1, 10), 20)
    graph.linear(graph.linear(first, 6), 40)
    assert peak_elements(graph) == 6 + 40
    assert peak_elements(graph, held=[first]) == 20 + 6 + 40
    assert peak_elements(graph, held=[unused, first]) == 100 + 20 + 6 + 40


def test_the_background_of_a_call_is_what_outlives_it() -> None:
    graph = Graph()
    x = graph.input(1, 4, 3, 3)  # 36 elements
    local = graph.conv(x, 5)  # 45
    y = graph.call(local)
    assert background_elements(graph) == 0
    graph.concat(local, y)
    # The call's input is not its background, whether it is needed later or not.
    assert background_elements(graph) == 0
    graph.add(graph.conv(y, 4), x)
    assert background_elements(graph) == 36
    assert peak_elements(graph) == 36 + 45 + 45 + 90  # at the concatenation, x waiting


def test_a_call_is_not_a_kernel() -> None:
    graph = Graph()
    graph.conv(graph.call(graph.conv(graph.input(1, 1, 10, 10), 3)), 1)
    assert peak_elements(graph) == 300 + 100
    assert background_elements(graph) == 0


def test_one_graph_of_arrays_represents_many_of_numbers() -> None:
    graph, widths = Graph(), np.array([1, 8, 40])
    x = graph.input(1, 16)
    graph.add(graph.linear(graph.linear(x, widths), 16), x)
    assert peak_elements(graph).tolist() == [
        16 + 16 + 16,
        16 + 16 + 16,
        16 + 40 + 16,
    ]  # at the sum, or in the middle
    assert total(graph.ops, "macs").tolist() == [32, 256, 1280]


def test_counts_grow_by_the_batch_alone() -> None:
    architecture = Architecture(resolution_px=64, stem_width=16, stages=(Stage(width=24),))
    one, three = count(architecture), count(architecture, batch_size=3)
    assert (three.params, three.macs, three.memory_bytes) == (
        one.params,
        3 * one.macs,
        3 * one.memory_bytes,
    )
    weights = 4 * total(lower(architecture).ops, "weights")
    assert three.moved_bytes - weights == 3 * (one.moved_bytes - weights)
    assert (one.memory_mb, one.moved_mb) == (one.memory_bytes / 1e6, one.moved_bytes / 1e6)


@pytest.mark.parametrize(
    "use",
    [
        {"batch_size": 0},
        {"batch_size": -1},
        {"batch_size": 1.5},
        {"num_classes": 10**20},
        {"in_channels": True},
    ],
)
def test_a_use_that_cannot_be_is_refused(use: dict[str, int]) -> None:
    message = (
        r"(batch_size|num_classes|in_channels) = .* is not allowed; an integer from 1 to 1000000"
    )
    with pytest.raises(ArchitectureError, match=message):
        count(zoo("mobilevit_xxs"), **use)
    with pytest.raises(ArchitectureError, match=message):
        CostTable(load_space("tiny"), **use)
