"""Kernel classes and their terms, by hand and against the kernels of ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import pytest

from mvt_nas import zoo
from mvt_nas.blocks.base import LOWERINGS
from mvt_nas.blocks.graph import Graph, Tensor
from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.latency.model.kernels import (
    CLASSES,
    GROUPS,
    TERMS,
    Kernel,
    Signature,
    kernels,
    padded_elements,
    signature,
    term,
    whole_registers,
)
from mvt_nas.latency.model.predictor import Predictor, calibrated_ranges
from mvt_nas.models.lowering import lower, lower_convolutions, lower_head, lower_stem
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.space.published import published_names
from tests.support.latency_devices import random_networks

LAYERS = 2 + 4 + 3  # of the three transformer stages of v1 and v2


def classes(architecture: Architecture) -> dict[str, int]:
    return dict(Counter(kernel.kind for kernel in kernels(lower(architecture).ops)))


# Seven inverted residuals, 128 to 8 px; the first keeps stem's 16 channels, the second stage has
# three. Maps of 8 px have fewer than 100 positions: they leave the last stage's inverted residual,
# its two pointwise convolutions around the tokens, and the head.
V1_XXS = {
    "stem": 1,
    "pointwise": 7 + 6 + 2 * 2,
    "pointwise_small": 1 + 2 + 1,
    "depthwise": 3,
    "depthwise_strided": 4,
    "convolution": 2 * 3,
    "linear": 4 * LAYERS,
    "classifier": 1,
    "scores": LAYERS,
    "scale": LAYERS,
    "softmax": LAYERS,
    "values": LAYERS,
    "activation": 1 + 2 * 7 + LAYERS + 3 * 3 + 1,
    "add": 2 * LAYERS - 3,
    "add_to_norm": 3,
    "add_to_convolution": 1 + 2,
    "layer_norm": 2 * LAYERS,
    "norm_after_add": 3,
    "transpose": 4 * LAYERS + 2 * 3,
    "unfold": 3,
    "fold": 3,
    "concat": 3,
    "mean": 1,
}
V3_S = V1_XXS | {
    "pointwise": 7 + 6 + 3 * 2,
    "pointwise_small": 1 + 3 + 1,
    "depthwise": 3 + 3,
    "add": 2 * LAYERS,
    "add_to_convolution": 2,
}
del V3_S["convolution"]
# Six inverted residuals, of which the third keeps width and side; tokens are maps here, so all
# products are pointwise convolutions.
V2_100 = {
    "stem": 1,
    "pointwise": 6 + 5 + 2 * 2 + 4 * (2 + 4),
    "pointwise_small": 1 + 2 + 4 * 3,
    "depthwise": 2 + 3,
    "depthwise_strided": 4,
    "classifier": 1,
    "softmax_separable": LAYERS,
    "relu": LAYERS,
    "mul": 2 * LAYERS,
    "sum": LAYERS,
    "activation": 1 + 2 * 6 + LAYERS + 3,
    "add": 2 * LAYERS,
    "add_to_convolution": 1,
    "group_norm": 2 * LAYERS + 3,
    "unfold": 3,
    "fold": 3,
    "mean": 1,
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mobilevit_xxs", V1_XXS), ("mobilevitv3_s", V3_S), ("mobilevitv2_100", V2_100)],
)
def test_the_classes_of_published_models_counted_by_hand(
    name: str, expected: dict[str, int]
) -> None:
    assert classes(zoo(name)) == expected


@pytest.mark.parametrize("name", published_names())
def test_published_models_of_a_family_differ_in_sizes_only(name: str) -> None:
    """As in the family's first model, except layers and sums that other members lack."""
    family = {"mobilevit": "mobilevit_xxs", "mobilevitv2": "mobilevitv2_050"}.get(
        name.split("_")[0]
    )
    first = family or (
        "mobilevitv3_050"
        if name[-3:].isdigit()
        else "mobilevitv3_xxs_l2"
        if name.endswith("l2")
        else "mobilevitv3_xxs"
    )
    own, other = classes(zoo(name)), classes(zoo(first))
    for found in (own, other):
        found.pop("add_to_convolution")
    assert own == other


def test_every_class_and_no_other_appears_in_random_networks() -> None:
    found = {kernel.kind for one in random_networks(60) for kernel in kernels(lower(one).ops)}
    assert found == set(CLASSES)
    assert sorted(CLASSES) == sorted({name for members in GROUPS.values() for name in members})


def one_kernel(shape: tuple[int, ...], build: Any) -> Kernel:
    graph = Graph()
    build(graph, graph.input(*shape))
    (found,) = kernels(graph.ops)
    return found


CONV = one_kernel((2, 24, 10, 10), lambda graph, x: graph.conv(x, 40, 3, stride=2, norm=True))
DEPTHWISE = one_kernel(
    (1, 24, 9, 9), lambda graph, x: graph.conv(x, 24, 5, depthwise=True, norm=True)
)
LINEAR = one_kernel((4, 50, 64), lambda graph, x: graph.linear(x, 192))
MATMUL = one_kernel((8, 50, 16), lambda graph, x: graph.matmul(x, graph.input(8, 16, 50)))
BROADCAST = one_kernel((1, 32, 4, 25), lambda graph, x: graph.mul(x, graph.input(1, 1, 4, 25)))
SOFTMAX = one_kernel((8, 50, 50), lambda graph, x: graph.softmax(x))

# 10**6 multiply-adds; of them on lanes that stay idle; 10**6 bytes read, written, of weights; 10**3
# rows. All by hand.
BY_HAND = {
    "convolution": (
        CONV,
        (0.432, 0.432 * 8 / 40, 4 * 4800e-6, 4 * 2000e-6, 4 * 40 * (9 * 24 + 1) * 1e-6, 0.4),
    ),
    "depthwise": (
        DEPTHWISE,
        (0.0486, 0.0486 * 8 / 24, 4 * 1944e-6, 4 * 1944e-6, 4 * 24 * (25 + 1) * 1e-6, 0.216),
    ),
    "linear": (LINEAR, (2.4576, 0.0, 4 * 12800e-6, 4 * 38400e-6, 4 * 65 * 192e-6, 0.2)),
    "scores": (MATMUL, (0.32, 0.32 * 14 / 50, 8 * 6400e-6, 4 * 20000e-6, 0.0, 0.4)),
    "mul": (BROADCAST, (0.0, 0.0, 4 * 3300e-6, 4 * 3200e-6, 0.0, 0.128)),
    "softmax": (SOFTMAX, (0.0, 0.0, 4 * 20000e-6, 4 * 20000e-6, 0.0, 0.4)),
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_terms_in_closed_form(kind: str) -> None:
    kernel, expected = BY_HAND[kind]
    names = ("macs", "idle_macs", "read", "written", "weights", "rows")
    assert kernel.kind == kind
    assert [term(name, kernel) for name in names] == pytest.approx(expected, rel=1e-12)
    assert term("calls", kernel) == 1
    assert [term(name, kernel) for name in TERMS if name.startswith("over")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("width", "idle"),
    [(1, 15), (8, 1), (15, 1 / 15), (16, 0), (17, 15 / 17), (48, 0), (50, 14 / 50), (64, 0)],
)
def test_idle_lanes_are_those_of_the_last_register(width: int, idle: float) -> None:
    for shape, build in (
        ((1, 8, 4, 4), lambda graph, x: graph.conv(x, width)),
        ((1, 6, 8), lambda graph, x: graph.linear(x, width)),
        ((2, 6, 8), lambda graph, x: graph.matmul(x, graph.input(2, 8, width))),
    ):
        kernel = one_kernel(shape, build)
        assert term("idle_macs", kernel) / term("macs", kernel) == pytest.approx(idle)


@pytest.mark.parametrize(
    ("elements", "over"),
    [(10**5, (0, 0, 0)), (10**6, (6, 0, 0)), (2 * 10**6, (14, 8, 0)), (4 * 10**6, (30, 24, 8))],
)
def test_bytes_beyond_a_cache(elements: int, over: tuple[float, ...]) -> None:
    kernel = one_kernel((1, 1, 1, elements), lambda graph, x: graph.activation(x))
    assert tuple(
        term(name, kernel) for name in ("over_2mb", "over_8mb", "over_24mb")
    ) == pytest.approx(over)


@pytest.mark.parametrize("name", TERMS)
def test_terms_of_arrays_are_those_of_their_numbers(name: str) -> None:
    def build(width: Any) -> list[Kernel]:
        graph = Graph()
        x = graph.activation(graph.conv(graph.input(1, 3, 500, 500), width, 3, norm=True))
        graph.linear(graph.mean(graph.add(x, graph.conv(x, width))), 10)
        return kernels(graph.ops)

    widths = [4, 16, 40, 100]
    for index, kernel in enumerate(build(np.array(widths))):
        expected = [float(term(name, build(width)[index])) for width in widths]
        assert np.broadcast_to(term(name, kernel), 4) == pytest.approx(expected, rel=1e-12)


def in_parts(architecture: Architecture) -> list[Kernel]:
    """Return the kernels of the parts of cost tables, each lowered and classified alone."""
    side = -(-architecture.resolution_px // 2)
    graph = Graph()
    lower_stem(
        graph,
        graph.input(1, 3, architecture.resolution_px, architecture.resolution_px),
        width=architecture.stem_width,
    )
    found, channels = kernels(graph.ops), architecture.stem_width
    for stage in architecture.stages:
        graph = Graph()
        adds = stage.stride == 1 and channels == stage.width
        choices = {name: getattr(stage, name) for name in ("width", "stride", "depth", "expansion")}
        side = lower_convolutions(
            graph, graph.input(1, channels, side, side), first_adds=adds, **choices
        ).shape[2]
        found += kernels(graph.ops)
        if stage.block is not None:
            parts, side = block_in_parts(stage, side)
            found += parts
        channels = stage.width
    graph = Graph()
    lower_head(
        graph, graph.input(1, channels, side, side), width=architecture.head_width, num_classes=1000
    )
    return found + kernels(graph.ops)


def block_in_parts(stage: Stage, side: int) -> tuple[list[Kernel], int]:
    lowering, block = LOWERINGS.get(stage.kind), stage.block
    assert isinstance(block, MobileViT)
    assert lowering.inner is not None
    outer, inner = Graph(), Graph()
    fields = {
        name: stage.width if name == "width" else getattr(block, name)
        for name in lowering.outer.fields
    }
    y: Tensor = lowering.outer.lower(outer, outer.input(1, stage.width, side, side), **fields)
    x = inner.input(1, block.dim, y.shape[2], y.shape[3])
    lowering.inner.lower(inner, x, **{name: getattr(block, name) for name in lowering.inner.fields})
    return kernels(outer.ops) + kernels(inner.ops), y.shape[2]


def test_classes_are_the_same_whole_and_in_parts() -> None:
    for architecture in (*random_networks(60, seed=1), *map(zoo, published_names())):
        whole = Counter(signature(kernel) for kernel in kernels(lower(architecture).ops))
        assert Counter(signature(kernel) for kernel in in_parts(architecture)) == whole


def test_signatures_count_whole_registers_of_maps_and_nothing_else() -> None:
    assert [whole_registers(n) for n in (1, 16, 17, 48)] == [16, 16, 32, 48]
    assert (padded_elements((2, 20, 3, 5)), padded_elements((2, 20, 3))) == (2 * 32 * 15, 120)
    assert signature(CONV) == Signature("convolution", 2 * 48 * 25, 32)
    assert signature(LINEAR) == Signature("linear", 4 * 50 * 192, 64)
    assert signature(MATMUL) == Signature("scores", 8 * 50 * 50, 16)
    assert signature(BROADCAST) == Signature("mul", 3200)


def test_predictions_add_up_and_say_what_is_outside() -> None:
    coefficients = {"linear": {"macs": 2.0, "calls": 0.5}, "softmax": {"rows": 3.0}}
    model = Predictor(
        coefficients, fixed_ms=1.0, relative_error=0.2, ranges=calibrated_ranges([LINEAR, SOFTMAX])
    )
    assert model.by_class([LINEAR.op, SOFTMAX.op]) == {
        "linear": pytest.approx(2 * 2.4576 + 0.5),
        "softmax": pytest.approx(1.2),
    }
    xxs = zoo("mobilevit_xxs")
    linear = [kernel for kernel in kernels(lower(xxs).ops) if kernel.kind == "linear"]
    softmax = [kernel for kernel in kernels(lower(xxs).ops) if kernel.kind == "softmax"]
    linear_ms = sum(2 * k.op.macs / 1e6 + 0.5 for k in linear)
    softmax_ms = sum(3 * prod(k.op.output.shape[:-1]) / 1e3 for k in softmax)
    found = model.predict(xxs)
    assert found.ms == pytest.approx(linear_ms + softmax_ms + 1.0)
    assert (found.low_ms, found.high_ms) == pytest.approx((0.8 * found.ms, 1.2 * found.ms))
    assert set(found.uncalibrated) == {
        "linear",
        "softmax",
    }  # neither has sizes like the two kernels that the ranges know
    known = replace(model, ranges=calibrated_ranges([*softmax, *linear[:1]])).predict(xxs)
    assert known.uncalibrated == ("linear",)
    unlike = sum(2 * k.op.macs / 1e6 + 0.5 for k in linear if not _alike(k, linear[0]))
    assert 0 < known.outside == pytest.approx(unlike / found.ms)
    assert replace(model, ranges={}).predict(xxs).outside == 0


def _alike(kernel: Kernel, known: Kernel) -> bool:
    return all(
        1 / 1.25 <= size / other <= 1.25
        for size, other in (
            (kernel.op.macs, known.op.macs),
            (kernel.op.inputs[0].elements, known.op.inputs[0].elements),
            (kernel.op.output.elements, known.op.output.elements),
            (kernel.op.weights, known.op.weights),
        )
    )
