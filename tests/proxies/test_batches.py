"""The batches: balance, resizing and seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mvt_nas.errors import MetricError
from mvt_nas.proxies import Batch
from mvt_nas.proxies.batches import digits_batch, noise_batch


def test_digits_are_balanced_and_standardised() -> None:
    batch = digits_batch(1740, 8, seed=0, in_channels=1)
    assert batch.images.shape == (1740, 1, 8, 8)
    assert batch.images.dtype == torch.float32
    assert batch.labels.bincount().tolist() == [174] * 10
    assert float(batch.images.mean()) == pytest.approx(0.0, abs=0.01)
    assert float(batch.images.std()) == pytest.approx(1.0, abs=0.01)
    assert len(torch.unique(batch.images.flatten(1), dim=0)) > 1700
    assert (
        sorted(digits_batch(13, 8, seed=4).labels.bincount(minlength=10).tolist())
        == [1] * 7 + [2] * 3
    )


def test_digits_are_resized_bilinearly_in_all_channels_alike() -> None:
    small, large = digits_batch(5, 8, seed=1), digits_batch(5, 16, seed=1)
    assert small.labels.tolist() == large.labels.tolist()
    assert torch.equal(large.images[:, 0], large.images[:, 2])
    # At twice the size, an inner pixel is 9/16, 3/16, 3/16 and 1/16 of its four neighbours.
    source = small.images[:, 0, 2:4, 2:4]
    expected = (source * torch.tensor([[9.0, 3.0], [3.0, 1.0]]) / 16).sum(dim=(1, 2))
    assert large.images[:, 0, 5, 5].tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def global_random_state() -> tuple[list[int], str]:
    return torch.get_rng_state().tolist(), repr(np.random.get_state())


@pytest.mark.parametrize("draw", [digits_batch, noise_batch])
def test_batches_depend_on_their_seed_only(draw: Callable[[int, int, int], Batch]) -> None:
    before = global_random_state()
    first, same, other = draw(20, 12, 1), draw(20, 12, 1), draw(20, 12, 2)
    assert global_random_state() == before
    assert torch.equal(first.images, same.images)
    assert torch.equal(first.labels, same.labels)
    assert not torch.equal(first.images, other.images)
    assert not torch.equal(first.labels, other.labels)
    assert first.images.shape == (20, 3, 12, 12)


def test_noise_is_standard_normal_with_labels_of_all_classes() -> None:
    batch = noise_batch(400, 8, seed=0, classes=7)
    assert float(batch.images.mean()) == pytest.approx(0.0, abs=0.02)
    assert float(batch.images.std()) == pytest.approx(1.0, abs=0.02)
    assert sorted(set(batch.labels.tolist())) == list(range(7))


def test_batches_that_cannot_be_are_refused() -> None:
    with pytest.raises(MetricError, match="batch of 1741 digits: at most 1740"):
        digits_batch(1741, 8, seed=0)
    with pytest.raises(MetricError, match=r"batch with a size of 0: .* are 1 or more"):
        digits_batch(0, 8, seed=0)
    with pytest.raises(MetricError, match=r"batch with a size of -1: .* are 1 or more"):
        noise_batch(4, -1, seed=0)
    with pytest.raises(
        MetricError, match=r"batch with images \(2, 3\), labels \(2,\): images \(B, C, H, W\)"
    ):
        Batch(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(MetricError, match=r"labels \(3,\): .* and labels \(B,\) are needed"):
        Batch(torch.zeros(2, 3, 4, 4), torch.zeros(3))
