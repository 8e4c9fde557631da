"""Transforms of annotated images.

Boxes and masks move with the pixels, values stay in range, and the seed determines everything.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from mvt_nas.data.annotated_source import AnnotatedCatalogue, ObjectBoxes
from mvt_nas.training.annotated_dataset import open_annotated
from mvt_nas.training.batch_sampler import ImageRequest
from mvt_nas.training.detection.dataset import DetectionTrainDataset, DetectionValidationDataset
from mvt_nas.training.detection.dataset import collate as collate_boxes
from mvt_nas.training.recipe import Recipe
from mvt_nas.training.segmentation.dataset import (
    SegmentationTrainDataset,
    SegmentationValidationDataset,
)
from mvt_nas.training.transforms.box_crop import boxes_in, flip_boxes, random_box_crop
from mvt_nas.training.transforms.crop import random_crop_window
from mvt_nas.training.transforms.photometric_distortion import distort
from tests.support.annotated_training_processes import RECIPES, pairs, voc
from tests.support.images import noise

COLOURS = np.array([[250, 0, 0], [0, 250, 0], [0, 0, 250]], np.uint8)
CORNERS = np.array([[10, 5, 40, 35], [60, 20, 90, 60], [20, 45, 50, 75]], np.float64)
ANCHORS = {
    64: torch.tensor([[0.5, 0.5, 0.5, 0.5], [0.25, 0.25, 0.3, 0.3]]),
    48: torch.tensor([[0.5, 0.5, 0.5, 0.5]]),
}


def painted() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a grey image of 100 x 80 pixels with a coloured rectangle per object, and its mask."""
    pixels, mask = np.full((80, 100, 3), 128, np.uint8), np.zeros((80, 100), np.uint8)
    for label, (left, top, right, bottom) in enumerate(CORNERS.astype(int)):
        pixels[top:bottom, left:right], mask[top:bottom, left:right] = COLOURS[label], label + 1
    return pixels, mask


def source() -> AnnotatedCatalogue:
    pixels, mask = painted()
    boxes = ObjectBoxes(CORNERS, np.arange(3), np.zeros(3, bool))
    return AnnotatedCatalogue(
        "here",
        ("a", "b", "c"),
        np.zeros(4, bool),
        "mark",
        lambda row: pixels,
        str,
        lambda row: boxes,
        lambda row: mask,
    )


def still(kind: str, **changes: Any) -> Recipe:
    """Return a recipe that changes no colours."""
    return RECIPES[kind].changed({f"{kind}.distortion_probability": 0.0} | changes)


def seen(pixels: NDArray[np.uint8], label: int) -> tuple[float, float, float, float] | None:
    """Return where a colour is, in sides of the picture; ``None`` where it is not."""
    there = np.abs(pixels.astype(int) - COLOURS[label]).sum(-1) < 90
    rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
    if not len(rows):
        return None
    height, width = there.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def test_boxes_move_with_the_pixels() -> None:
    learnt = DetectionTrainDataset(
        "here",
        source(),
        np.arange(4),
        still("detection", **{"detection.crop_probability": 1.0}),
        ANCHORS,
        0,
    )
    kept = 0
    for position in range(60):
        sample = learnt[ImageRequest(1, 64, 0, position)]
        boxes = sample.target.boxes
        assert len(boxes.labels)
        for corners, label in zip(boxes.corners, boxes.labels, strict=True):
            assert seen(sample.pixels, int(label)) == pytest.approx(tuple(corners), abs=2 / 64)
        for label in set(range(3)) - set(boxes.labels.tolist()):  # its centre is cut off
            there = seen(sample.pixels, label)
            assert there is None or min(there) < 2 / 64 or max(there) > 62 / 64
        kept += len(boxes.labels)
    assert 60 < kept < 180
    assert not sample.wrong
    assert not sample.unreadable


def test_whole_pictures_are_judged() -> None:
    judged = DetectionValidationDataset(
        "here",
        source(),
        still("detection", **{"images.px": 64, "images.validation_resize_px": 64}),
        ANCHORS,
    )
    boxes, pixels = judged[2].target.boxes, judged[2].pixels
    assert boxes.corners == pytest.approx(CORNERS / [100, 80, 100, 80])
    for label in range(3):
        assert seen(pixels, label) == pytest.approx(tuple(boxes.corners[label]), abs=1.5 / 64)


def test_masks_move_with_the_pixels() -> None:
    learnt = SegmentationTrainDataset("here", source(), np.arange(4), still("segmentation"), 4, 0)
    filled = 0
    for position in range(40):
        sample = learnt[ImageRequest(1, 48, 0, position)]
        pixels, mask = sample.pixels.astype(int), sample.target
        assert mask.shape == (48, 48)
        for label in range(3):
            clear = np.abs(pixels - COLOURS[label]).sum(-1) < 20  # not at edges, where colours mix
            assert (mask[clear] == label + 1).mean() > 0.97 if clear.any() else True
        outside = mask == 255
        assert (sample.pixels[outside] == [124, 116, 104]).all()
        filled += outside.any()
    assert 0 < filled < 40


def test_whole_masks_are_judged() -> None:
    judged = SegmentationValidationDataset(
        "here",
        source(),
        still("segmentation", **{"images.px": 40, "images.validation_resize_px": 40}),
        4,
    )
    expected = np.asarray(Image.fromarray(painted()[1]).resize((40, 40), Image.Resampling.NEAREST))
    assert (judged[0].target == expected).all()
    assert set(np.unique(judged[0].target)) == {0, 1, 2, 3}


@pytest.mark.parametrize("seed", range(20))
def test_random_parts_hold_an_object_and_keep_to_their_ranges(seed: int) -> None:
    random, boxes = (
        np.random.default_rng(seed),
        ObjectBoxes(CORNERS, np.arange(3), np.array([False, False, True])),
    )
    left, top, right, bottom = random_box_crop(100, 80, boxes, 0.3, random)
    assert 0 <= left < right <= 100
    assert 0 <= top < bottom <= 80
    assert min((right - left) / 100, (bottom - top) / 80) >= 0.3
    assert 0.5 <= (right - left) / (bottom - top) <= 2
    kept = boxes_in(boxes, (left, top, right, bottom))
    assert set(kept.labels.tolist()) & {0, 1}  # the third is to be ignored
    assert (kept.corners >= 0).all()
    assert (kept.corners <= np.tile([right - left, bottom - top], 2)).all()


def test_where_no_part_suits_the_whole_is_taken() -> None:
    flat = ObjectBoxes(np.array([[0, 0, 1000.0, 1.0]]), np.zeros(1, np.int64), np.zeros(1, bool))
    assert {
        random_box_crop(1000, 10, flat, 0.9, np.random.default_rng(seed)) for seed in range(5)
    } == {(0.0, 0.0, 1000.0, 10.0)}


def test_mirrored_twice_is_as_before() -> None:
    boxes = ObjectBoxes(CORNERS, np.arange(3), np.zeros(3, bool))
    once = flip_boxes(boxes, 100)
    assert once.corners[0].tolist() == [60, 5, 90, 35]
    assert (flip_boxes(once, 100).corners == CORNERS).all()


@pytest.mark.parametrize(("width", "height"), [(100, 80), (30, 90), (64, 64), (500, 20)])
def test_windows_have_the_sizes_that_are_asked_for(width: int, height: int) -> None:
    scales = []
    for seed in range(200):
        window = random_crop_window(width, height, 64, (0.5, 1.5), np.random.default_rng(seed))
        (left, top, right, bottom), (across, down) = window.region.part, window.region.size
        assert 0 <= left < right <= width + 1e-9
        assert 0 <= top < bottom <= height + 1e-9
        assert window.left + across <= 64
        assert window.top + down <= 64
        horizontal, vertical = across / (right - left), down / (bottom - top)
        assert horizontal == pytest.approx(vertical, rel=0.06)  # pixels are whole
        scales.append(horizontal * min(width, height) / 64)
    assert 0.45 < min(scales) < 0.6
    assert 1.4 < max(scales) < 1.55


def test_distortion_changes_colours_only_and_as_often_as_asked() -> None:
    image = Image.fromarray(noise(0, 20, 30))
    before = np.asarray(image).copy()
    changed = [np.asarray(distort(image, 0.5, np.random.default_rng(seed))) for seed in range(160)]
    assert all(one.shape == before.shape for one in changed)
    same = sum((one == before).all() for one in changed)
    assert 2 < same < 20  # one of 16, in the mean
    assert (np.asarray(distort(image, 0.0, np.random.default_rng(0))) == before).all()
    assert (np.asarray(image) == before).all()
    grey = Image.fromarray(np.full((4, 4, 3), 100, np.uint8))
    light = {
        int(np.asarray(distort(grey, 1.0, np.random.default_rng(seed)))[0, 0, 0])
        for seed in range(200)
    }
    assert min(light) >= 60
    assert max(light) <= 140
    assert max(light) - min(light) > 40


def test_hues_turn_by_little() -> None:
    red = Image.fromarray(np.tile(np.array([200, 40, 40], np.uint8), (4, 4, 1)))
    turned = [
        np.asarray(distort(red, 1.0, np.random.default_rng(seed)))[0, 0].astype(int)
        for seed in range(100)
    ]
    assert all(red >= max(green, blue) for red, green, blue in turned)
    assert any(green > blue + 5 for _, green, blue in turned)
    assert any(blue > green + 5 for _, green, blue in turned)


def test_all_follows_from_seed_epoch_and_position(tmp_path: Path) -> None:
    place = str(voc(tmp_path))
    annotated = open_annotated(place, "detection")
    learnt = DetectionTrainDataset(place, annotated, np.arange(2), RECIPES["detection"], ANCHORS, 3)
    asked = [
        ImageRequest(0, 64, 1, 5),
        ImageRequest(0, 64, 1, 6),
        ImageRequest(0, 64, 2, 5),
        ImageRequest(0, 48, 1, 5),
    ]
    one, *others = (learnt[wanted].pixels for wanted in asked)
    assert not any(np.array_equal(one, other) for other in others)
    elsewhere = pickle.loads(pickle.dumps(learnt))
    assert len(pickle.dumps(learnt)) < 10_000
    assert np.array_equal(elsewhere[asked[0]].pixels, one)
    assert torch.equal(
        elsewhere[asked[0]].target.targets.offsets, learnt[asked[0]].target.targets.offsets
    )
    batch = collate_boxes([learnt[asked[0]], learnt[asked[1]]])
    assert (batch.images.shape, batch.classes.shape, batch.offsets.shape) == (
        (2, 3, 64, 64),
        (2, 2),
        (2, 2, 4),
    )
    assert batch.rows == (0, 0)


def test_pictures_that_cannot_be_read_are_replaced_and_wrong_masks_are_told(tmp_path: Path) -> None:
    place = str(pairs(tmp_path, {"train": 3}))
    (tmp_path / "images" / "train" / "1.jpg").write_bytes(b"none")
    annotated = open_annotated(place, "segmentation")
    learnt = SegmentationTrainDataset(place, annotated, np.arange(3), RECIPES["segmentation"], 2, 0)
    sample = learnt[ImageRequest(1, 32, 0, 0)]
    assert sample.row == 2
    assert len(sample.unreadable) == 1
    assert sample.unreadable[0].endswith("1.jpg (cannot identify image file)")
    judged = SegmentationValidationDataset(place, annotated, RECIPES["segmentation"], 2)[1]
    assert (judged.row, len(judged.unreadable), judged.target.min()) == (-1, 1, 255)
    few = SegmentationTrainDataset(place, annotated, np.arange(3), RECIPES["segmentation"], 1, 0)[
        ImageRequest(0, 32, 0, 0)
    ]
    assert few.wrong == (
        (
            f"{tmp_path}/images/train/0.jpg: 1 in the mask is not allowed; 0 to 0, or 255 for"
            " pixels to ignore"
        ),
    )
