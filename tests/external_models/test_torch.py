"""External modules: their counts against the lowering, closed forms, and rewritten networks."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mvt_nas.cost.counts import count
from mvt_nas.external_models.base import load_external_model
from mvt_nas.external_models.graph_recorder import GraphRecorder
from mvt_nas.external_models.torch_trace import trace
from mvt_nas.models.lowering import lower
from mvt_nas.models.network import build_model
from mvt_nas.space.architecture import Architecture
from mvt_nas.space.published import published_names, zoo
from tests.support.architectures import random_architecture

PUBLISHED = """
from dataclasses import replace
from mvt_nas import build_model, zoo

def network():
    return build_model(replace(zoo("mobilevitv2_050"), resolution_px=128), num_classes=7)
"""


def recorded(network: nn.Module, side: int = 32, device: str = "cpu") -> GraphRecorder:
    return trace(network.eval(), torch.zeros(1, 3, side, side, device=device))


def assert_recorded_is_lowered(architecture: Architecture) -> None:
    """Compare kernel by kernel, the peak and the multiply-adds."""
    found = recorded(build_model(architecture, device="meta"), architecture.resolution_px, "meta")
    kernels = [
        (sum(tensor.elements for tensor in op.inputs), op.output.elements, op.macs)
        for op in found.graph().ops
    ]
    expected = [
        (sum(_storages(op.inputs, lower(architecture).sizes)), op.output.elements, op.macs)
        for op in lower(architecture).ops
    ]
    counts = count(architecture)
    assert kernels == expected
    assert (found.macs(), found.peak_bytes()) == (counts.macs, counts.memory_bytes)
    assert (found.uncounted, found.unsized) == (set(), set())


def _storages(inputs: tuple[object, ...], sizes: list[int]) -> list[int]:
    return [sizes[storage] for storage in {tensor.storage for tensor in inputs}]  # type: ignore[attr-defined]  # tensors of a graph


@pytest.mark.parametrize(
    "name", [name for name in published_names() if name.endswith(("xxs", "050", "100"))]
)
def test_published_models_are_counted_as_they_are_lowered(name: str) -> None:
    assert_recorded_is_lowered(zoo(name))


def test_random_networks_are_counted_as_they_are_lowered() -> None:
    for seed in range(6):
        assert_recorded_is_lowered(random_architecture(np.random.default_rng(seed)))


def test_a_published_model_through_a_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "published_one.py").write_text(PUBLISHED)
    monkeypatch.chdir(tmp_path)
    paths, state = list(sys.path), torch.get_rng_state()
    found = load_external_model("published_one:network", 128)
    counts = count(replace(zoo("mobilevitv2_050"), resolution_px=128), num_classes=7)
    assert found.costs == {
        "params": counts.params,
        "macs": counts.macs,
        "memory_mb": counts.memory_mb,
    }
    assert (found.name, found.resolution_px, found.notes) == ("network", 128, ())
    assert isinstance(found.network, nn.Module)
    assert not found.network.training
    assert sys.path == paths
    assert torch.equal(torch.get_rng_state(), state)


def bottleneck(before: int, after: int, stride: int, expansion: int) -> nn.Module:
    """An inverted residual as torchvision writes it, ReLU6 in place."""
    wide = before * expansion
    layers = [nn.Conv2d(before, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True)]
    layers += [
        nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
        nn.BatchNorm2d(wide),
        nn.ReLU6(inplace=True),
    ]
    return nn.Sequential(*layers, nn.Conv2d(wide, after, 1, bias=False), nn.BatchNorm2d(after))


class MobileNet(nn.Module):
    """Two inverted residuals, the second with a residual connection, and a head of 1000 classes."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6(inplace=True)
        )
        self.first, self.second = bottleneck(16, 24, 2, 4), bottleneck(24, 24, 1, 6)
        self.head = nn.Linear(24, 1000)

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(self.stem(images))
        x = x + self.second(x)
        out: Tensor = self.head(functional.adaptive_avg_pool2d(x, 1).flatten(1))
        return out


def test_a_mobile_net_has_the_counts_of_its_closed_form() -> None:
    """At 64 px the stem leaves 32 x 32 places, the first block 16 x 16."""
    stem, places, fewer = 16 * 27, 32 * 32, 16 * 16
    macs = stem * places
    macs += 16 * 64 * places + 64 * 9 * fewer + 64 * 24 * fewer
    macs += 24 * 144 * fewer + 144 * 9 * fewer + 144 * 24 * fewer
    weights = stem + 16 * 64 + 64 * 9 + 64 * 24 + 24 * 144 + 144 * 9 + 144 * 24
    network = MobileNet()
    found = recorded(network, 64)
    assert found.macs() == macs + 24 * 1000
    assert (
        sum(p.numel() for p in network.parameters())
        == weights + 2 * (16 + 64 + 64 + 24 + 144 + 144 + 24) + 24 * 1000 + 1000
    )
    # the widest maps, before and after their activation: nothing else lives then
    assert found.peak_bytes() == 4 * 2 * 64 * places
    kinds = [op.kind for op in found.graph().ops]
    assert (kinds.count("conv"), kinds.count("batch_norm"), kinds.count("linear")) == (7, 0, 1)
    assert kinds.count("elementwise") == 5 + 1


class Attention(nn.Module):
    """Tokens of a strided convolution through torch's own transformer layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        self.layer = nn.TransformerEncoderLayer(16, 2, 40, batch_first=True, norm_first=True)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.layer(self.patches(images).flatten(2).transpose(1, 2))
        return out


def test_attention_that_torch_fuses_is_counted_by_its_products() -> None:
    tokens, width = 16, 16
    macs = tokens * width * 3 * 64  # patches
    macs += (
        tokens * width * 3 * width
        + 2 * tokens * tokens * width
        + tokens * width * width
        + 2 * tokens * width * 40
    )
    before = torch.backends.mha.get_fastpath_enabled()
    assert recorded(Attention()).macs() == macs
    assert torch.backends.mha.get_fastpath_enabled() is before is True


class Swish(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(x)


def stem(*after: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), *after, nn.Conv2d(8, 4, 1))


@pytest.mark.parametrize(
    ("network", "like"),
    [
        (stem(nn.ReLU(inplace=True)), stem(nn.ReLU())),
        (stem(nn.Hardswish(inplace=True)), stem(nn.Hardswish())),
        (stem(Swish()), stem(nn.SiLU())),
        (stem(nn.BatchNorm2d(8), nn.ReLU()), stem(nn.ReLU())),
        (stem(nn.Dropout(0.5), nn.Identity(), nn.ReLU()), stem(nn.ReLU())),
    ],
)
def test_spellings_of_the_same_kernels_count_alike(network: nn.Module, like: nn.Module) -> None:
    one, other = recorded(network), recorded(like)
    assert one.peak_bytes() == other.peak_bytes() == 4 * 2 * 8 * 32 * 32
    assert (
        [op.kind for op in one.graph().ops]
        == [op.kind for op in other.graph().ops]
        == ["conv", "elementwise", "conv"]
    )


def test_a_norm_that_cannot_be_folded_is_a_kernel() -> None:
    assert [
        op.kind for op in recorded(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1))).graph().ops
    ] == ["batch_norm", "conv"]
    assert [op.kind for op in recorded(stem(nn.InstanceNorm2d(8))).graph().ops] == [
        "conv",
        "norm",
        "conv",
    ]


def test_what_follows_from_weights_alone_is_no_kernel() -> None:
    class Standardised(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return functional.conv2d(
                x, (self.weight - self.weight.mean()) @ torch.eye(3), None, padding=1
            )

    found = recorded(Standardised(3, 8, 3))
    assert (found.macs(), [op.kind for op in found.graph().ops]) == (8 * 27 * 32 * 32, ["conv"])


def test_results_live_to_the_end() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 2, 1)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            x = self.a(x)
            y = self.b(x)
            return {"features": x, "y": torch.relu(y)}

    assert recorded(Two()).peak_bytes() == 4 * 32 * 32 * (8 + 2 + 2)


ONE_OUTPUT = """
import torch
from torch import nn

class OneOutput(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16))

    def forward(self, images):
        return images[0, 0] @ self.weight
"""


def test_what_cannot_be_counted_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one_output.py").write_text(ONE_OUTPUT)
    monkeypatch.chdir(tmp_path)
    found = load_external_model("one_output:OneOutput", 16)
    assert found.costs == {"params": 16.0, "memory_mb": 4e-6 * (3 * 16 * 16 + 16)}
    assert found.notes == ("macs is left out: those of aten.mv are not known",)
