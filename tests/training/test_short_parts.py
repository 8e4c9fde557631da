"""The parts of a training against closed forms and against torch's own layers."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.cost.counts import count
from mvt_nas.errors import TrainingError
from mvt_nas.space.published import published_names, zoo
from mvt_nas.training.ema import EmaUpdater, copy_for_ema, decay_at
from mvt_nas.training.memory_loader import image_tensors
from mvt_nas.training.schedule import learning_rate_at_step
from mvt_nas.training.short_loop import new_short_training_state
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.short_training import tse_ema
from mvt_nas.training.small_images import for_small_images
from tests.support.short_training_processes import BLOCK, QUICK, SMALL, digits


def test_schedule_by_hand() -> None:
    rates = [learning_rate_at_step(step, total=10, warmup=2, peak=4.0) for step in range(11)]
    assert rates[:3] == [2.0, 4.0, 4.0]
    assert rates[4] == pytest.approx(2 + math.sqrt(2))  # a quarter of the fall: 2 (1 + cos 45°)
    assert rates[6] == pytest.approx(2.0)
    assert rates[10] == 0.0
    assert learning_rate_at_step(0, total=1, warmup=0, peak=1.0) == 1.0


def test_schedule_is_that_of_torch() -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20)
    for step in range(20):
        assert learning_rate_at_step(step, total=20, warmup=0, peak=0.3) == pytest.approx(
            theirs.get_last_lr()[0], abs=1e-12
        )
        optimiser.step()
        theirs.step()


def test_tse_ema_by_hand() -> None:
    assert tse_ema([3.0, 2.0, 1.0]) == pytest.approx(0.81 * 3 + 0.9 * 2 + 1)
    assert tse_ema([3.0, 2.0, 1.0], decay=0.0) == 1.0
    assert tse_ema([3.0, 2.0, 1.0], decay=1.0) == 6.0


def test_average_by_hand() -> None:
    network = nn.BatchNorm1d(1)
    average = copy_for_ema(network)
    ema = EmaUpdater(network, average, 0.15)
    expected = 1.0
    for step, value in enumerate((5.0, -2.0, 7.0)):
        nn.init.constant_(network.weight, value)
        nn.init.constant_(network.num_batches_tracked, step)  # type: ignore[arg-type]  # a Tensor
        decay = decay_at(step, 0.15)
        assert decay == min(0.15, (0.1, 2 / 11, 3 / 12)[step])
        ema.update(step)
        expected = decay * expected + (1 - decay) * value
        assert average.weight.item() == pytest.approx(expected, rel=1e-6)
        assert average.num_batches_tracked == step
    assert not average.weight.requires_grad


def test_average_is_that_of_torch() -> None:
    network = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5))
    average = copy_for_ema(network)
    ema = EmaUpdater(network, average, 0.9)

    def average_all(averaged: Any, current: Any, count: Any) -> None:
        if averaged[0].is_floating_point():
            torch._foreach_lerp_(averaged, current, 1 - decay_at(int(count) - 1, 0.9))
        else:
            torch._foreach_copy_(averaged, current)

    theirs = AveragedModel(network, multi_avg_fn=average_all, use_buffers=True)
    # At a count of 0 it copies the weights.
    theirs.n_averaged.fill_(1)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.01)
    random = torch.Generator().manual_seed(0)
    for step in range(20):
        images = torch.randn(4, 3, 8, 8, generator=random)
        network(images).abs().mean().backward()  # type: ignore[no-untyped-call]  # torch's
        optimiser.step()
        ema.update(step)
        theirs.update_parameters(network)
    for name, value in theirs.module.state_dict().items():
        assert value.isfinite().all()
        assert torch.equal(average.state_dict()[name], value), name


def test_decay_spares_norms_and_biases() -> None:
    state = new_short_training_state(SMALL, QUICK, 10, 0, torch.device("cpu"))
    decayed, others = state.optimiser.param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (QUICK.weight_decay, 0.0)
    spared = {id(parameter) for parameter in others["params"]}
    for name, parameter in state.network.named_parameters():
        assert (id(parameter) in spared) == (name.endswith("bias") or parameter.ndim == 1)
    assert len(decayed["params"]) + len(others["params"]) == len(list(state.network.parameters()))


def test_images_are_normalised_by_the_training_part() -> None:
    images = digits()
    train, validation = image_tensors(
        images, np.arange(1000), np.arange(1000, 1100), torch.device("cpu")
    )
    batch = train.batch(torch.arange(1000))
    assert batch.is_contiguous(memory_format=torch.channels_last)
    assert batch.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert batch.std(dim=(0, 2, 3)).tolist() == pytest.approx([1, 1, 1], abs=1e-4)
    assert torch.equal(validation.mean, train.mean)


def test_shifts_and_flips_are_those_of_padding_and_mirroring() -> None:
    train, _ = image_tensors(digits(), np.arange(40), np.arange(40, 50), torch.device("cpu"))
    random = torch.Generator().manual_seed(0)
    rows = torch.randperm(40, generator=random)
    flips = torch.rand(40, generator=random) < 0.5
    shifts = torch.randint(-3, 4, (40, 2), generator=random)
    plain = train.batch(rows)
    found = train.batch(rows, flips, shifts)
    padded = functional.pad(plain, (3, 3, 3, 3), mode="reflect")
    for index in range(40):
        down, across = (3 + shifts[index]).tolist()
        expected = padded[index, :, down : down + 16, across : across + 16]
        assert torch.equal(found[index], expected.flip(2) if flips[index] else expected)


@pytest.mark.parametrize("name", published_names())
@pytest.mark.parametrize("pixels", [32, 64])
def test_published_networks_at_small_images(name: str, pixels: int) -> None:
    whole = zoo(name)
    small = for_small_images(whole, pixels)
    side, sides = pixels // 2, []
    for stage in small.stages:
        side //= stage.stride
        sides.append(side)
    assert sides[-1] == 4
    assert [stage.stride for stage in small.stages] == (
        [1, 1, 1, 2, 2] if pixels == 32 else [1, 1, 2, 2, 2]
    )
    patches = [
        (stage.block.patch, side)
        for stage, side in zip(small.stages, sides, strict=True)
        if stage.block is not None
    ]  # type: ignore[attr-defined]
    assert all(2 * patch <= side for patch, side in patches)
    assert [stage.width for stage in small.stages] == [stage.width for stage in whole.stages]
    assert count(small).params == count(whole).params
    assert for_small_images(small, pixels) == small


def test_a_network_that_fits_only_gets_the_resolution() -> None:
    whole = zoo("mobilevit_s")
    assert for_small_images(whole, 256) == whole
    assert for_small_images(whole, 8).stages[-1].stride == 1


@pytest.mark.parametrize(
    ("patch", "pixels", "expected"),
    [(8, 16, 2), (2, 16, 2), (1, 16, 1), (3, 16, 2), (8, 64, 8), (8, 4 * 8, 4)],
)
def test_patches_leave_two_by_two(patch: int, pixels: int, expected: int) -> None:
    block = dataclasses.replace(BLOCK, patch=patch)
    network = dataclasses.replace(
        SMALL, stages=(SMALL.stages[0], dataclasses.replace(SMALL.stages[1], block=block))
    )
    found = for_small_images(network, pixels).stages[1].block
    assert isinstance(found, MobileViT)
    assert found.patch == expected


def test_protocols_go_to_files_and_back(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("epochs: 2\nlearning_rate: 1\n")
    protocol = ShortRecipe.load(path)
    assert protocol == ShortRecipe(epochs=2, learning_rate=1.0)
    assert ShortRecipe.from_dict(protocol.to_dict()).key == protocol.key
    assert protocol.key != ShortRecipe(epochs=2).key
    assert len({protocol.key, ShortRecipe(epochs=2, learning_rate=1).key}) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, r"^epochs = 0 is not allowed; an integer from 1 to 10000$"),
        ({"epochs": True}, r"^epochs = True is not allowed"),
        (
            {"learning_rate": float("nan")},
            r"^learning_rate = nan is not allowed; a number from 1e-08 to 10000$",
        ),
        ({"flip": 1}, r"^flip = 1 is not allowed; true or false$"),
        (
            {"dtype": "fp64"},
            r"^dtype = 'fp64' is not allowed; one of auto, fp32, bf16; did you mean",
        ),
        (
            {"batch_size": 500, "train_images": 100},
            r"^batch_size = 500 is not allowed; at most train_images = 100$",
        ),
        ({"crop_padding": 32}, r"^crop_padding = 32 is not allowed; less than pixels = 32$"),
    ],
)
def test_wrong_protocols_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        ShortRecipe(**changes)


def test_wrong_files_of_protocols_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    for text, message in (
        ("epoch: 3", r"p.yaml: unknown field 'epoch'; did you mean 'epochs'\? \(known: pixels, "),
        ("[1]", r"p.yaml: a mapping of names to values is expected, not list$"),
        ("epochs: many", r"p.yaml: epochs = 'many' is not allowed; an integer from 1 to 10000$"),
        ("epochs: null", r"p.yaml: epochs = null is not allowed; without the line, the default "),
        ("a: [", r"p.yaml: cannot be read \(while parsing"),
    ):
        path.write_text(text)
        with pytest.raises(TrainingError, match=message):
            ShortRecipe.load(path)
    with pytest.raises(TrainingError, match=r"nowhere.yaml: cannot be read \(.*No such file"):
        ShortRecipe.load(tmp_path / "nowhere.yaml")
