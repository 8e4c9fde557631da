"""The contract of every registered proxy, and what they share: roles, preserved state."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mvt_nas.errors import MetricError, PluginError
from mvt_nas.proxies import PROXIES, Batch
from mvt_nas.proxies.batches import digits_batch, noise_batch
from mvt_nas.proxies.module_roles import primary_blocks, weight_names
from mvt_nas.proxies.preserve import preserve_state
from tests.support.external_networks import NETWORKS, Build, mobilevit, small_cnn, token_net


class Seam(nn.Module):
    """Calls back with its input while a score is being taken, and passes it on."""

    def __init__(self, call: Callable[[Tensor], object]) -> None:
        super().__init__()
        self.call = call

    def forward(self, features: Tensor) -> Tensor:
        self.call(features)
        return features


def state_of(network: nn.Module) -> list[object]:
    """Return the state that a score has to preserve, comparable with ``==`` to the last bit."""
    state: list[object] = [torch.get_rng_state().numpy().tobytes()]
    for module_name, module in network.named_modules():
        state.append(
            (
                module_name,
                module.training,
                len(module._forward_hooks),
                len(module._forward_pre_hooks),
                sorted(vars(module)),
            )
        )
        for name, tensor in [
            *module.named_parameters(recurse=False),
            *module.named_buffers(recurse=False),
        ]:
            state.append(
                (
                    name,
                    id(tensor),
                    tensor.data_ptr(),
                    tensor.dtype,
                    tensor.requires_grad,
                    bytes_of(tensor),
                )
            )
            state.append((id(tensor.grad), bytes_of(tensor.grad)))
    return state


COUNTS = ("counting_rank", "depth", "macs", "params")
"""Scores that look at shapes only."""
READ_WEIGHTS = [name for name in PROXIES.names() if name not in (*COUNTS, "zen")]
"""Scores that depend on the initial weights: the Zen-score draws its own."""


def bytes_of(tensor: Tensor | None) -> bytes:
    return b"" if tensor is None else tensor.detach().numpy().tobytes()


def make_unusual(network: nn.Module) -> None:
    """Give a network mixed modes, frozen weights, gradients, -0.0 and running statistics."""
    for index, module in enumerate(network.modules()):
        module.training = index % 2 == 0
    for index, parameter in enumerate(network.parameters()):
        parameter.requires_grad_(index % 3 != 0)
        parameter.grad = torch.randn_like(parameter) if index % 2 == 0 else None
        parameter.data.view(-1)[0] = -0.0
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.copy_(torch.rand_like(buffer) + 0.5)


# ---- the contract of every score


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize("name", PROXIES.names())
def test_same_seed_same_score(name: str, build: Build) -> None:
    score = PROXIES.get(name).score
    first = score(build(1), digits_batch(8, 32, seed=2))
    torch.manual_seed(99)
    assert math.isfinite(first)
    assert first >= PROXIES.get(name).worst
    assert score(build(1), digits_batch(8, 32, seed=2)) == first


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize("name", READ_WEIGHTS)
def test_other_weights_other_score(name: str, build: Build) -> None:
    # With fewer images than these, all their patterns occur in any network, and SWAP is the same.
    batch = digits_batch(16, 32, seed=2)
    assert PROXIES.get(name).score(build(1), batch) != PROXIES.get(name).score(build(3), batch)


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize("name", COUNTS)
def test_counts_do_not_depend_on_the_weights(name: str, build: Build) -> None:
    batches = [digits_batch(8, 32, seed=2), noise_batch(4, 32, seed=3)]
    assert PROXIES.get(name).score(build(1), batches[0]) == PROXIES.get(name).score(
        build(3), batches[1]
    )


@pytest.mark.parametrize("build", NETWORKS)
@pytest.mark.parametrize("name", PROXIES.names())
def test_score_leaves_everything_as_found(name: str, build: Build) -> None:
    network, batch = build(), noise_batch(8, 32, seed=0)
    make_unusual(network)
    before = state_of(network)
    first = PROXIES.get(name).score(network, batch)
    assert state_of(network) == before
    with torch.no_grad():
        assert PROXIES.get(name).score(network, batch) == first


@pytest.mark.parametrize(
    "name", [name for name in PROXIES.names() if name not in ("depth", "params")]
)
def test_score_leaves_everything_as_found_when_it_raises(name: str) -> None:
    def spoil(_features: Tensor) -> None:
        torch.rand(1)
        raise RuntimeError("out of memory")

    network = nn.Sequential(small_cnn(), Seam(spoil))
    make_unusual(network)
    before = state_of(network)
    with pytest.raises(RuntimeError, match="out of memory"):
        PROXIES.get(name).score(network, noise_batch(8, 32, seed=0))
    assert state_of(network) == before


@pytest.mark.parametrize("name", PROXIES.names())
def test_score_ignores_running_statistics_mode_and_dropout(name: str) -> None:
    batch = noise_batch(8, 32, seed=0)
    expected = PROXIES.get(name).score(small_cnn(), batch)
    network = small_cnn().eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean, module.running_var = torch.full((8,), 5.0), torch.full((8,), 0.01)
    assert PROXIES.get(name).score(network, batch) == expected


@pytest.mark.parametrize("name", PROXIES.names())
def test_only_a_labelled_score_reads_the_labels(name: str) -> None:
    batch = noise_batch(8, 32, seed=0)
    other = Batch(batch.images, (batch.labels + 1) % 10)
    scores = [PROXIES.get(name).score(small_cnn(), each) for each in (batch, other)]
    assert (scores[0] != scores[1]) == PROXIES.get(name).labelled


@pytest.mark.parametrize("broken", [math.nan, math.inf])
@pytest.mark.parametrize("name", READ_WEIGHTS)
def test_broken_weights_give_no_finite_score(name: str, broken: float) -> None:
    network = small_cnn()
    next(network.parameters()).data.fill_(broken)
    assert not math.isfinite(PROXIES.get(name).score(network, noise_batch(4, 32, seed=0)))


def test_registered_names_are_module_names() -> None:
    assert PROXIES.names() == [
        *(
            "aggregate",
            "channel_entropy",
            "counting_rank",
            "depth",
            "dss",
            "entropic",
            "grad_norm",
            "jacob_cov",
            "log_synflow",
        ),
        *("macs", "naswot", "params", "snip", "swap", "trainability", "zen", "zico"),
    ]
    assert [PROXIES.get(name).name for name in PROXIES] == PROXIES.names()
    with pytest.raises(PluginError, match=r"unknown proxy 'snib'; did you mean 'snip'\?"):
        PROXIES.get("snib")


# ---- roles


def test_weights_are_those_of_convolutions_linear_maps_and_attention() -> None:
    counted = set(weight_names(token_net()))
    layers = [
        "self_attn.in_proj_weight",
        "self_attn.out_proj.weight",
        "linear1.weight",
        "linear2.weight",
    ]
    assert counted == {
        "patches.weight",
        "head.weight",
        *[f"layers.{index}.{name}" for index in range(2) for name in layers],
    }
    shared = nn.Linear(3, 3)
    assert weight_names(nn.Sequential(shared, shared)) == ["0.weight"]
    tied = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    tied[1].weight = tied[0].weight
    assert weight_names(tied) == ["0.weight"]


def test_blocks_of_external_networks() -> None:
    network = mobilevit()
    assert [type(block).__name__ for block in primary_blocks(network)] == [
        "MobileViTMobileNetLayer"
    ] * 2 + ["MobileViTLayer"] * 3
    convolutions = [nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)]
    nested = nn.Sequential(
        nn.Sequential(convolutions[0], nn.BatchNorm2d(4)),
        nn.Sequential(nn.Sequential(convolutions[1]), convolutions[2]),
        nn.ReLU(),
    )
    assert primary_blocks(nested) == convolutions


def test_blocks_that_a_network_declares() -> None:
    class Declaring(nn.Sequential):
        def feature_blocks(self) -> list[nn.Module]:
            return [self[1], self[1]]

    network = Declaring(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1))
    assert primary_blocks(network) == [network[1]]
    # A submodule of that name declares nothing.
    other = nn.Module()
    other.feature_blocks = nn.ModuleList([nn.Linear(2, 2)])
    assert primary_blocks(other) == [other.feature_blocks[0]]


@pytest.mark.parametrize("name", PROXIES.names())
def test_networks_without_weights_or_blocks_are_refused(name: str) -> None:
    with pytest.raises(
        MetricError, match=r"Flatten has no (weights to score|primary blocks): .* needed"
    ):
        PROXIES.get(name).score(nn.Flatten(), noise_batch(4, 2, seed=0))


def test_networks_without_logits_are_refused() -> None:
    class Lookup(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            return {"features": super().forward(input)}  # type: ignore[return-value]

    batch = noise_batch(4, 2, seed=0)
    with pytest.raises(
        MetricError,
        match=r"Sequential returned a tensor \(4, 5, 2, 2\): logits \(B, classes\) are needed",
    ):
        PROXIES.get("snip").score(nn.Sequential(nn.Conv2d(3, 5, 1)), batch)
    with pytest.raises(
        MetricError, match=r"Lookup returned no tensor: logits \(B, classes\) are needed"
    ):
        PROXIES.get("log_synflow").score(Lookup(2, 2), batch)


def test_one_image_has_no_batch_statistics() -> None:
    batch = noise_batch(1, 32, seed=0)
    for name in ("snip", "channel_entropy", "naswot", "trainability", "zen"):
        score = PROXIES.get(name).score
        with pytest.raises(
            MetricError, match=r"batch of 1 for a network with BatchNorm: .* need 2 images or more"
        ):
            score(small_cnn(), batch)
        assert math.isfinite(score(token_net(), batch))
    assert math.isfinite(PROXIES.get("log_synflow").score(small_cnn(), batch))


def test_one_image_cannot_be_compared() -> None:
    batch = noise_batch(1, 32, seed=0)
    with pytest.raises(
        MetricError, match="batch of 1 for gradients of two halves: 2 images or more are needed"
    ):
        PROXIES.get("zico").score(token_net(), batch)
    with pytest.raises(
        MetricError, match="batch of 1 for correlations between images: 2 images or more are needed"
    ):
        PROXIES.get("jacob_cov").score(token_net(), batch)


# ---- the preserving context


def test_all_changes_inside_are_undone() -> None:
    network = small_cnn()
    make_unusual(network)
    before = state_of(network)
    with contextlib.suppress(KeyboardInterrupt), preserve_state(network):
        assert [module.training for module in network.modules()] == [
            isinstance(module, nn.BatchNorm2d) for module in network.modules()
        ]
        assert all(parameter.grad is None for parameter in network.parameters())
        network.train().double().requires_grad_(True)
        network(torch.randn(4, 3, 32, 32, dtype=torch.float64)).sum().backward()
        for parameter in network.parameters():
            parameter.data.abs_()
        network[0].weight = nn.Parameter(torch.zeros(1))
        raise KeyboardInterrupt
    assert state_of(network) == before


def test_a_graph_over_the_weights_survives_a_score() -> None:
    batch, gradients = noise_batch(4, 32, seed=0), []
    for scored in (False, True):
        network = small_cnn().eval()
        loss = network(batch.images).square().sum()
        if scored:
            PROXIES.get("snip").score(network, batch)
        loss.backward()
        gradients.append(bytes_of(next(network.parameters()).grad))
    assert gradients[0] == gradients[1] != b""
