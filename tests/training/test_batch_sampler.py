"""Steps, sizes and order, against expectations worked out by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats
from torch.utils.data import DistributedSampler

from mvt_nas.training.batch_sampler import (
    BatchPlan,
    BatchSize,
    ImageRequest,
    MultiScaleBatchSampler,
    parts_of,
    sides,
    sizes,
)
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.recipe_groups import Batches

PAPER = Recipe().changed({"batches.sampler": "multi_scale"}).batches
SMALL = (
    Recipe()
    .changed(
        {"batches.sampler": "multi_scale", "batches.images": 12, "batches.images_per_device": 3}
    )
    .batches
)
FIXED = Recipe().changed({"batches.images": 8, "batches.images_per_device": 8}).batches


def sampler(batches: Batches = SMALL, count: int = 100, **choices: int) -> MultiScaleBatchSampler:
    return MultiScaleBatchSampler(
        batches, 256, np.arange(1000, 1000 + count), **({"seed": 0} | choices)
    )


def flat(batches: Batches, count: int, epoch: int, devices: int) -> list[list[ImageRequest]]:
    """Return by device all that it takes in an epoch."""
    result = []
    for device in range(devices):
        one = sampler(batches, count, devices=devices, device=device)
        one.go_to(epoch, 0)
        result.append([wanted for part in one for wanted in part])
    return result


def test_sizes_and_batches_are_those_of_the_release() -> None:
    """128 images of 256 px per device: by hand, 128 * 256² / 160² = 327.68 etc., rounded down."""
    assert sides(PAPER, 256) == (160, 192, 256, 288, 320)
    assert sizes(PAPER, 256, 8) == (
        BatchSize(160, 327),
        BatchSize(192, 227),
        BatchSize(256, 128),
        BatchSize(288, 101),
        BatchSize(320, 81),
    )
    assert parts_of(PAPER, 8) == 1
    assert parts_of(PAPER, 1) == 8
    assert sizes(PAPER, 256, 1) == sizes(PAPER, 256, 8)


def test_batches_are_in_inverse_proportion_to_the_area() -> None:
    for size in sizes(PAPER, 256, 8):
        pixels = size.images * size.px**2
        assert 128 * 256**2 - size.px**2 < pixels <= 128 * 256**2


def test_no_part_is_larger_than_a_device_takes() -> None:
    assert sizes(SMALL, 256, 1)[2] == BatchSize(256, 3)
    assert parts_of(SMALL, 1) == 4
    assert [step.positions.shape[0] for step in sampler().steps(0)] == [4] * len(sampler().steps(0))
    assert parts_of(FIXED, 3) == 1


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("count", [100, 97, 24])
@pytest.mark.parametrize("batches", [SMALL, FIXED])
def test_an_epoch_has_every_picture_and_no_other(
    batches: Batches, count: int, devices: int
) -> None:
    found = Counter(wanted.row for one in flat(batches, count, 3, devices) for wanted in one)
    assert set(found) == set(range(1000, 1000 + count))
    assert set(found.values()) <= {1, 2}
    last = sampler(batches, count, devices=devices).steps(3)[-1].images
    assert sum(found.values()) - count < last


@pytest.mark.parametrize("devices", [2, 3])
def test_devices_share_the_steps_of_one(devices: int) -> None:
    """All devices together take in a step what one device with as many parts takes.

    Each takes the same number of images, of one size.
    """
    whole = [step.positions.ravel() for step in sampler(FIXED, 40).steps(0)]
    several = [
        sampler(FIXED, 40, devices=devices, device=device).steps(0) for device in range(devices)
    ]
    for index, steps in enumerate(zip(*several, strict=True)):
        assert len({(step.size, step.positions.shape, step.images) for step in steps}) == 1
        together = np.sort(np.concatenate([step.positions.ravel() for step in steps]))
        if devices == 2:
            assert together.tolist() == whole[index].tolist()
        assert len(set(together.tolist())) == len(together)


def test_every_device_has_the_same_size_at_the_same_step() -> None:
    one, other = (sampler(count=500, devices=2, device=device).steps(7) for device in (0, 1))
    assert [(step.size, step.images) for step in one] == [
        (step.size, step.images) for step in other
    ]
    assert len({step.size for step in one}) == 5


def test_the_last_step_is_filled_up_from_the_first_pictures() -> None:
    """Ten images in steps of eight: the second step takes the last two and the first six."""
    one = sampler(FIXED, 10)
    order = one.order(0).tolist()
    first, second = ([wanted.row for wanted in part] for part in one)
    assert first == order[:8]
    assert second == order[8:] + order[:6]


def test_as_torchs_distributed_sampler_where_all_is_divisible() -> None:
    """16 images, two devices, steps of eight: each device has every other image, as in torch."""
    order = sampler(FIXED, 16).order(0)
    for device in range(2):
        theirs = list(DistributedSampler(range(16), num_replicas=2, rank=device, shuffle=False))  # type: ignore[arg-type]  # any sequence
        mine = sampler(FIXED, 16, devices=2, device=device)
        assert [wanted.row for part in mine for wanted in part] == order[theirs].tolist()


def test_all_is_told_by_seed_and_epoch() -> None:
    def taken(seed: int, epoch: int) -> list[list[ImageRequest]]:
        one = sampler(seed=seed)
        one.go_to(epoch, 0)
        return list(one)

    assert taken(0, 1) == taken(0, 1)
    assert (
        len(
            {
                str([[wanted.row for wanted in part] for part in taken(*place)])
                for place in ((0, 0), (0, 1), (1, 0), (1, 1))
            }
        )
        == 4
    )
    assert {wanted.epoch for part in taken(0, 5) for wanted in part} == {5}


def test_a_sampler_goes_on_in_the_middle_of_an_epoch() -> None:
    one = sampler()
    one.go_to(2, 0)
    whole = list(one)
    for step in range(len(one.steps(2))):
        one.go_to(2, step)
        assert list(one) == whole[4 * step :]


def test_sizes_are_drawn_evenly() -> None:
    found = Counter(
        step.size.px for epoch in range(40) for step in sampler(count=1000).steps(epoch)
    )
    assert stats.chisquare(list(found.values())).pvalue > 0.001
    assert len(found) == 5


def test_steps_cost_about_the_same() -> None:
    costs = [step.images * step.size.px**2 for step in sampler(PAPER, 100_000, devices=8).steps(0)]
    assert max(costs) / min(costs) < 1.02


def test_positions_tell_pictures_that_come_twice_apart() -> None:
    step, again = sampler(FIXED, 10).steps(0)
    assert isinstance(step, BatchPlan)
    assert again.positions.ravel().tolist() == list(range(8, 16))
