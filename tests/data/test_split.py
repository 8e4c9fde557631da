"""Splits: shares against a count by hand, no overlap, the same for the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvt_nas.data import ImageDataset, load_images
from mvt_nas.data.stratify import shares
from mvt_nas.errors import DataError


def image_set(**changes: Any) -> ImageDataset:
    content: dict[str, Any] = {
        "images": np.zeros((10, 8, 8, 3), np.uint8),
        "labels": np.array([0] * 6 + [1] * 4),
        "class_names": ("a", "b"),
        "held_out": np.zeros(10, bool),
        "where": "here",
        "fingerprint": "f",
    }
    return ImageDataset(**(content | changes))


def test_shares_by_hand() -> None:
    assert shares(np.array([6, 3, 1]), 5).tolist() == [
        3,
        2,
        0,
    ]  # 3.0, 1.5, 0.5: the first of equal remainders
    assert shares(np.array([10, 10, 10]), 10).tolist() == [4, 3, 3]


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.floats(0, 1))
def test_shares_add_up_and_are_near_the_exact_ones(counts: list[int], part: float) -> None:
    size = int(sum(counts) * part)
    found = shares(np.array(counts), size)
    assert found.sum() == size
    assert (found <= counts).all()
    assert np.abs(found - np.array(counts) * size / sum(counts)).max() < 1


def test_parts_do_not_overlap_and_classes_have_their_shares() -> None:
    digits = load_images("digits", 8)
    split = digits.split(train=1000, validation=500, seed=3)
    assert (len(split.train), len(split.validation)) == (1000, 500)
    assert not set(split.train) & set(split.validation)
    whole = np.bincount(digits.labels) / len(digits)
    for part in (split.train, split.validation):
        assert np.abs(np.bincount(digits.labels[part]) - whole * len(part)).max() <= 1.5
    rest = digits.split(train=None, validation=500, seed=3)
    assert len(rest.train) == len(digits) - 500
    assert (rest.validation == split.validation).all()


def test_a_split_is_recorded() -> None:
    digits = load_images("digits", 8)
    hashes = {
        digits.split(train=n, validation=50, seed=s).hash for n, s in ((100, 0), (100, 1), (101, 0))
    }
    assert len(hashes) == 3
    assert digits.split(train=100, validation=50, seed=0).hash in hashes
    assert (
        image_set().split(train=4, validation=2, seed=0).hash
        != image_set(fingerprint="g").split(train=4, validation=2, seed=0).hash
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            (4, 11),
            (
                r"^here: validation = 11 is not allowed; an integer from 1 to 10, the number"
                r" of images left for it$"
            ),
        ),
        ((4, 0), r"^here: validation = 0 is not allowed"),
        ((8, 3), r"^here: train = 8 is not allowed; an integer from 1 to 7"),
        ((2.0, 3), r"^here: train = 2.0 is not allowed"),
    ],
)
def test_what_is_not_there_cannot_be_drawn(sizes: tuple[Any, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        image_set().split(train=sizes[0], validation=sizes[1], seed=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": np.zeros((10, 8, 9, 3), np.uint8)},
            r"here: images \(10, 8, 9, 3\) in uint8; square images",
        ),
        (
            {"images": np.zeros((10, 8, 8, 3))},
            r"here: images \(10, 8, 8, 3\) in float64; square images",
        ),
        ({"labels": np.zeros(9, int)}, r"here: 9 labels for 10 images; one each is needed$"),
        ({"labels": np.full(10, 2)}, r"here: labels from 2 to 2; 2 classes are named$"),
        ({"class_names": ("a",)}, r"here: the only class is a; two or more are needed$"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        image_set(**changes)
