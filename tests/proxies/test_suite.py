"""All proxies at once: the same numbers as alone, shared passes, a number or a reason."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import (
    MobileViTConfig,
    MobileViTForImageClassification,
    MobileViTV2Config,
    MobileViTV2ForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from mvt_nas import load_space, zoo
from mvt_nas.errors import PluginError
from mvt_nas.models.network import build_model
from mvt_nas.proxies import PROXIES, Batch, Proxy
from mvt_nas.proxies.batches import digits_batch, noise_batch
from mvt_nas.proxies.suite import score_all, score_one
from mvt_nas.proxies.types import Coverage, ProxyReading, Score
from tests.proxies.test_proxies import make_unusual, state_of
from tests.support.architectures import published_params, random_architecture
from tests.support.external_networks import NETWORKS, Build, small_cnn, token_net


def check_all(network: nn.Module, batch: Batch) -> dict[str, Score]:
    """Check that every score is a number, or says why not."""
    scores = score_all(network, batch)
    assert list(scores) == PROXIES.names()
    for name, score in scores.items():
        assert score.finite or score.status not in ("ok", ""), name
    return scores


# ---- the same alone and together


@pytest.mark.parametrize("build", NETWORKS)
def test_scores_are_the_same_alone_and_together(build: Build) -> None:
    batch = digits_batch(8, 32, seed=0)
    together = score_all(build(), batch)
    for name, score in together.items():
        assert PROXIES.get(name).score(build(), batch) == score.value, name
        assert score_one(name, build(), batch) == score


@pytest.mark.parametrize("name", ["mobilevit_xxs", "mobilevitv2_050", "mobilevitv3_xxs"])
def test_scores_of_published_models_are_the_same_alone_and_together(name: str) -> None:
    network, batch = build_model(zoo(name), num_classes=10, seed=0), digits_batch(8, 64, seed=0)
    together = check_all(network, batch)
    assert {score.status for score in together.values()} == {"ok"}
    for score_name, score in together.items():
        assert PROXIES.get(score_name).score(network, batch) == score.value, score_name


@pytest.mark.parametrize("build", NETWORKS)
def test_all_scores_leave_everything_as_found(build: Build) -> None:
    network = build()
    make_unusual(network)
    before = state_of(network)
    score_all(network, noise_batch(8, 32, seed=0))
    assert state_of(network) == before


def test_a_network_that_draws_and_counts_gets_the_same_scores() -> None:
    class Restless(nn.Module):
        """Draws random numbers and changes a buffer in every forward pass."""

        calls: Tensor

        def __init__(self) -> None:
            super().__init__()
            self.body = small_cnn()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, images: Tensor) -> Tensor:
            self.calls.add_(1.0)
            logits: Tensor = self.body(images) + 0.1 * self.calls * torch.randn(10)
            return logits

    batch = noise_batch(8, 32, seed=0)
    torch.manual_seed(3)
    network = Restless()
    together = score_all(network, batch)
    for name in ("snip", "grad_norm", "zico", "channel_entropy"):
        assert PROXIES.get(name).score(network, batch) == together[name].value, name


# ---- sharing


def forwards(names: list[str] | None) -> Counter[tuple[int, torch.dtype]]:
    """Return how often a network of ours ran forward, by images and type, while it was scored."""
    calls: Counter[tuple[int, torch.dtype]] = Counter()
    network = build_model(zoo("mobilevit_xxs"), num_classes=10, seed=0)
    network.stem.register_forward_pre_hook(
        lambda _stem, inputs: calls.update([(len(inputs[0]), inputs[0].dtype)])
    )
    score_all(network, digits_batch(8, 64, seed=0), names)
    return calls


def test_all_scores_need_six_forward_passes() -> None:
    single, double = torch.float32, torch.float64
    # The shared one and that of the Jacobian; halves for ZiCo; the images and the changed ones for
    # Zen; one image of ones.
    assert forwards(None) == {(8, single): 2, (4, single): 2, (16, single): 1, (1, double): 1}


def test_a_lone_score_runs_only_what_it_needs() -> None:
    single, double = torch.float32, torch.float64
    for name in (
        "snip",
        "grad_norm",
        "naswot",
        "swap",
        "entropic",
        "channel_entropy",
        "trainability",
        "aggregate",
        "jacob_cov",
    ):
        assert forwards([name]) == {(8, single): 1}, name
    assert forwards(["zico"]) == {(4, single): 2}
    assert forwards(["dss"]) == forwards(["log_synflow"]) == {(1, double): 1}
    assert forwards(["params", "macs", "depth", "counting_rank"]) == {}


def test_only_chosen_scores_are_given() -> None:
    batch = noise_batch(4, 32, seed=0)
    assert list(score_all(small_cnn(), batch, ["swap", "depth", "swap"])) == ["swap", "depth"]
    with pytest.raises(PluginError, match=r"unknown proxy 'snib'; did you mean 'snip'\?"):
        score_all(small_cnn(), batch, ["snib"])


# ---- statuses


def test_statuses_say_what_is_wrong() -> None:
    assert Score.of(ProxyReading(1.0, (Coverage("blocks", 2, 2),))) == Score(1.0, "ok")
    assert (
        Score.of(ProxyReading(1.0, (Coverage("blocks", 1, 2), Coverage("weights", 0, 3)))).status
        == "1 of 2 blocks seen; 0 of 3 weights seen"
    )
    assert Score.of(ProxyReading(math.inf, note="too deep")).status == "not finite (inf); too deep"
    assert not Score.of(ProxyReading(math.nan)).finite


def test_broken_weights_are_reported_by_every_score_that_reads_them() -> None:
    network = token_net()
    next(network.parameters()).data.fill_(math.nan)
    scores = score_all(network, noise_batch(4, 32, seed=0))
    for name in (
        "snip",
        "grad_norm",
        "zico",
        "naswot",
        "swap",
        "entropic",
        "channel_entropy",
        "jacob_cov",
        "log_synflow",
        "dss",
        "aggregate",
    ):
        assert not scores[name].finite, name
        assert scores[name].status.startswith("not finite (nan)"), name
    assert scores["params"] == Score(7706.0, "ok")


def test_overflow_is_reported() -> None:
    layers = [nn.Linear(12, 12, bias=False) for _ in range(8)]
    for layer in layers:
        nn.init.constant_(layer.weight, 1e38)
    scores = score_all(nn.Sequential(nn.Flatten(), *layers), noise_batch(4, 2, seed=0, classes=5))
    assert scores["snip"].status.startswith("not finite (")
    assert scores["log_synflow"].status == "not finite (inf)" or scores["log_synflow"].finite


def test_one_failing_score_leaves_the_others_alone() -> None:
    batch = noise_batch(4, 32, seed=0)
    wrong = Batch(batch.images, batch.labels + 10)
    scores = score_all(small_cnn(), wrong)
    for name in ("snip", "grad_norm", "zico"):
        assert scores[name].status.startswith("labels from 1")
    assert scores["naswot"] == score_one("naswot", small_cnn(), batch)
    assert scores["trainability"].status == "ok"


def test_weights_and_blocks_without_use_are_reported() -> None:
    class Partial(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList([nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)])
            self.head = nn.Linear(4, 10)

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.head(self.blocks[0](images).mean(dim=(2, 3)))
            return logits

    scores = score_all(Partial(), noise_batch(4, 8, seed=0))
    assert scores["snip"].status == scores["log_synflow"].status == "2 of 3 weights seen"
    assert scores["channel_entropy"].status == scores["trainability"].status == "1 of 2 blocks seen"
    assert scores["zen"].status == "1 of 2 convolutional parts seen"


def test_a_score_that_shares_nothing_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PROXIES, "_entries", {name: PROXIES.get(name) for name in PROXIES})
    PROXIES.register("odd")(
        Proxy("odd", lambda network, batch: math.inf, "max", "none", "no source", False, 0.0)
    )
    PROXIES.register("torn")(
        Proxy("torn", lambda network, batch: [][0], "max", "none", "no source", False, 0.0)
    )
    scores = score_all(small_cnn(), noise_batch(4, 32, seed=0), ["odd", "torn", "snip"])
    assert scores["odd"] == Score(math.inf, "not finite (inf)")
    assert scores["torn"].status == "IndexError: list index out of range"
    assert scores["snip"].finite


# ---- all models


def tiny_external_networks() -> list[nn.Module]:
    torch.manual_seed(0)
    vit = ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=32,
        patch_size=8,
    )
    resnet = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic")
    mobilevitv2 = MobileViTV2Config(image_size=64, width_multiplier=0.25)
    for config in (vit, resnet, mobilevitv2):
        config.num_labels = 10
    return [
        ViTForImageClassification(vit),
        ResNetForImageClassification(resnet),
        MobileViTV2ForImageClassification(mobilevitv2),
    ]


@pytest.mark.parametrize("index", range(3))
def test_other_peoples_networks_are_scored(index: int) -> None:
    network = tiny_external_networks()[index]
    scores = check_all(network, digits_batch(16, 64 if index == 2 else 32, seed=0))
    assert {name for name, score in scores.items() if not score.finite} == set()


@pytest.mark.slow
def test_transformers_own_mobilevit_is_scored() -> None:
    torch.manual_seed(0)
    config = MobileViTConfig(image_size=64)
    config.num_labels = 10
    scores = check_all(MobileViTForImageClassification(config), digits_batch(16, 64, seed=0))
    assert {name for name, score in scores.items() if not score.finite} == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", published_params())
def test_every_published_model_is_scored(name: str) -> None:
    scores = check_all(build_model(zoo(name), num_classes=10, seed=0), digits_batch(16, 64, seed=0))
    assert {
        score_name: score.status for score_name, score in scores.items() if score.status != "ok"
    } == {}


@pytest.mark.slow
def test_random_architectures_are_scored() -> None:
    random, batch = np.random.default_rng(4), digits_batch(8, 64, seed=0)
    for _ in range(3):
        architecture = replace(random_architecture(random), resolution_px=64)
        check_all(build_model(architecture, num_classes=10, seed=0), batch)


@pytest.mark.soak
@pytest.mark.parametrize("part", range(4))
def test_two_hundred_architectures_are_scored(part: int) -> None:
    space, batch = load_space("mobilevit"), digits_batch(32, 64, seed=0)
    for architecture in space.decode_many(space.sample(200, seed=0)[50 * part : 50 * (part + 1)]):
        scores = check_all(build_model(architecture, num_classes=10, seed=0), batch)
        assert {name for name, score in scores.items() if score.status != "ok"} == set()
