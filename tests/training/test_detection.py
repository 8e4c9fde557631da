"""IoU, matching, loss, NMS and average precision, against brute force and results by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from mvt_nas.errors import TrainingError
from mvt_nas.tasks.detection.anchors import decode, encode
from mvt_nas.training.detection.average_precision import (
    ImageDetections,
    average_precision,
    check_installed,
)
from mvt_nas.training.detection.boxes import iou, nms, postprocess
from mvt_nas.training.detection.ssd import detection_loss, match_anchors
from mvt_nas.training.recipe_groups import DetectionOptions


def random_boxes(count: int, seed: int, grid: int = 0) -> Tensor:
    """Return boxes, (count, 4), on a grid of whole numbers if there is one."""
    random = np.random.default_rng(seed)
    corners = np.sort(
        random.integers(0, grid + 1, (count, 2, 2)) if grid else random.uniform(size=(count, 2, 2)),
        axis=1,
    )
    return torch.from_numpy(corners.reshape(count, 4).astype(np.float32))


def pixels_of(box: Tensor, grid: int) -> np.ndarray:
    left, top, right, bottom = box.int().tolist()
    inside = np.zeros((grid, grid), bool)
    inside[top:bottom, left:right] = True
    return inside


def test_overlap_is_that_of_counted_pixels() -> None:
    first, second = random_boxes(20, 0, grid=12), random_boxes(15, 1, grid=12)
    found = iou(first, second)
    for row, one in enumerate(first):
        for column, other in enumerate(second):
            a, b = pixels_of(one, 12), pixels_of(other, 12)
            expected = (a & b).sum() / (a | b).sum() if (a | b).any() else 0.0
            assert float(found[row, column]) == pytest.approx(expected)
    assert torch.equal(iou(first[None].expand(3, -1, -1), second[None].expand(3, -1, -1))[1], found)


def suppressed_by_hand(corners: Tensor, most: float) -> list[int]:
    """Return the places that are kept, by the textbook's loop."""
    left, kept = list(range(len(corners))), []
    while left:
        best, *left = left
        kept.append(best)
        left = [
            place for place in left if float(iou(corners[best][None], corners[place][None])) <= most
        ]
    return kept


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("most", [0.2, 0.5, 0.8])
def test_suppression_is_that_of_the_textbooks_loop(seed: int, most: float) -> None:
    lists = torch.stack(
        [random_boxes(60, 10 * seed + number) * torch.tensor([1.0, 1, 1, 1]) for number in range(3)]
    )
    if seed % 2:
        lists = lists * 0.2 + 0.4  # crowded
    found = nms(lists, most)
    for corners, kept in zip(lists, found, strict=True):
        assert kept.nonzero().flatten().tolist() == suppressed_by_hand(corners, most)


def test_what_is_found_is_class_by_class_and_best_first() -> None:
    random = torch.Generator().manual_seed(0)
    anchors = torch.rand(80, 4, generator=random) * 0.4 + 0.3
    logits, offsets = torch.randn(80, 4, generator=random) * 2, torch.randn(80, 4, generator=random)
    how = DetectionOptions(score_threshold=0.2, nms_iou=0.4, nms_candidates=15, most_detections=9)
    found = postprocess(logits, offsets, anchors, how)
    shares, corners = logits.softmax(1), decode(offsets, anchors).clamp(0, 1)
    expected = []
    for label in range(3):
        scores = shares[:, label + 1]
        order = [
            place for place in scores.argsort(descending=True)[:15].tolist() if scores[place] >= 0.2
        ]
        kept = suppressed_by_hand(corners[order], 0.4)
        expected += [
            (float(scores[order[place]]), label, corners[order[place]].tolist()) for place in kept
        ]
    expected = sorted(expected, reverse=True)[:9]
    assert found.scores.tolist() == pytest.approx([score for score, _, _ in expected])
    assert found.labels.tolist() == [label for _, label, _ in expected]
    assert found.corners.tolist() == [box for _, _, box in expected]
    nothing = postprocess(torch.tensor([[9.0, 0, 0, 0]] * 80), offsets, anchors, how)
    assert [len(part) for part in nothing] == [0, 0, 0]


def test_every_object_gets_an_anchor_of_its_own_and_all_that_overlap_it_by_half() -> None:
    """Four adjacent anchors, each a quarter of the image, and one over the two on the left."""
    anchors = torch.tensor(
        [
            [0.125, 0.5, 0.25, 1],
            [0.375, 0.5, 0.25, 1],
            [0.625, 0.5, 0.25, 1],
            [0.875, 0.5, 0.25, 1],
            [0.25, 0.5, 0.5, 1],
        ]
    )
    corners = torch.tensor([[0.0, 0, 0.5, 1], [0.05, 0, 0.3, 1], [0.7, 0, 0.75, 0.1]])
    targets = match_anchors(
        corners, torch.tensor([0, 1, 2]), torch.zeros(3, dtype=torch.bool), anchors, 0.5
    )
    # The first object is the last anchor, and overlaps the first two by a half exactly; of these
    # the second object is nearer to the first.
    assert targets.classes.tolist() == [2, 1, 3, 0, 1]
    assert torch.allclose(
        decode(targets.offsets, anchors)[targets.classes > 0], corners[[1, 0, 2, 0]], atol=1e-6
    )
    assert targets.offsets[3].tolist() == [0, 0, 0, 0]


def test_objects_that_share_a_best_anchor_both_get_one() -> None:
    anchors = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.8, 0.8, 0.1, 0.1]])
    corners = torch.tensor([[0.3, 0.3, 0.68, 0.7], [0.3, 0.3, 0.7, 0.7]])
    targets = match_anchors(
        corners, torch.tensor([0, 1]), torch.zeros(2, dtype=torch.bool), anchors, 0.5
    )
    assert targets.classes.tolist() == [2, 1]


def test_objects_to_ignore_are_neither_found_nor_passed_over() -> None:
    anchors = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.75, 0.5, 0.5, 1.0]])
    corners = torch.tensor([[0.0, 0, 0.5, 1], [0.5, 0, 1, 1]])
    targets = match_anchors(
        corners, torch.tensor([0, 1]), torch.tensor([True, False]), anchors, 0.5
    )
    assert targets.classes.tolist() == [-1, 2]
    assert match_anchors(
        corners[:0],
        torch.zeros(0, dtype=torch.int64),
        torch.zeros(0, dtype=torch.bool),
        anchors,
        0.5,
    ).classes.tolist() == [0, 0]


def test_the_loss_is_that_of_the_paper_written_out() -> None:
    random = torch.Generator().manual_seed(1)
    logits, offsets = (
        torch.randn(2, 30, 4, generator=random),
        torch.randn(2, 30, 4, generator=random) * 2,
    )
    classes, wanted = torch.zeros(2, 30, dtype=torch.int64), torch.randn(2, 30, 4, generator=random)
    classes[0, 3], classes[0, 7], classes[1, 2] = 1, 3, 2
    classes[1, 20:] = -1
    total = 0.0
    for picture in range(2):
        shares = logits[picture].softmax(1)
        objects = [anchor for anchor in range(30) if classes[picture, anchor] > 0]
        for anchor in objects:
            total -= math.log(shares[anchor, classes[picture, anchor]])
            for difference in (offsets[picture, anchor] - wanted[picture, anchor]).abs().tolist():
                total += 0.5 * difference**2 if difference < 1 else difference - 0.5
        surprises = sorted(
            (-math.log(shares[anchor, 0]) for anchor in range(30) if classes[picture, anchor] == 0),
            reverse=True,
        )
        total += sum(surprises[: 3 * len(objects)])
    assert float(detection_loss(logits, offsets, classes, wanted, 3)) == pytest.approx(
        total / 3, rel=1e-5
    )
    nothing = detection_loss(logits.requires_grad_(), offsets, torch.zeros_like(classes), wanted, 3)
    nothing.backward()  # type: ignore[no-untyped-call]
    assert nothing.item() == 0


def picture(
    objects: list[tuple[int, list[float]]],
    found: list[tuple[int, float, list[float]]],
    ignored: tuple[int, ...] = (),
) -> ImageDetections:
    """Return the detections in one image.

    Args:
        objects: Label and corners of each object.
        found: Label, score and corners of each detection.
        ignored: Positions of the objects to ignore.
    """
    return ImageDetections(
        corners=np.array([corners for _, corners in objects], np.float64).reshape(-1, 4),
        labels=np.array([label for label, _ in objects], np.int64),
        ignored=np.array([place in ignored for place in range(len(objects))], bool),
        found=np.array(
            [[*corners, label, score] for label, score, corners in found], np.float64
        ).reshape(-1, 6),
    )


LEFT, RIGHT = [0.0, 0.0, 0.4, 0.4], [0.5, 0.5, 0.9, 0.9]


def shrunk(corners: list[float], overlap: float) -> list[float]:
    """Return the left part of a box that overlaps the whole by so much."""
    left, top, right, bottom = corners
    return [left, top, left + overlap * (right - left), bottom]


def test_what_is_found_exactly_has_a_precision_of_one() -> None:
    pictures = [
        picture([(0, LEFT), (1, RIGHT)], [(0, 0.9, LEFT), (1, 0.8, RIGHT)]),
        picture([(1, LEFT)], [(1, 0.3, LEFT)]),
    ]
    found = average_precision(pictures, 3)
    assert (found.ap, found.ap50) == pytest.approx((1, 1))
    assert found.by_class[:2].tolist() == pytest.approx([1, 1])
    assert np.isnan(found.by_class[2])
    assert found.precision[:2].min() == pytest.approx(1)


@pytest.mark.parametrize(
    ("overlap", "expected"), [(0.99, 1.0), (0.76, 0.6), (0.51, 0.1), (0.49, 0.0)]
)
def test_the_mean_is_over_ten_overlaps(overlap: float, expected: float) -> None:
    found = average_precision([picture([(0, LEFT)], [(0, 0.9, shrunk(LEFT, overlap))])], 1)
    assert found.ap == pytest.approx(expected)
    assert found.ap50 == pytest.approx(float(overlap > 0.5))


def test_known_mixtures() -> None:
    # One of two objects is found: precision 1 up to a recall of 0.5, that is at 51 of the 101
    # recalls.
    half = average_precision([picture([(0, LEFT), (0, RIGHT)], [(0, 0.9, LEFT)])], 1)
    assert half.ap == pytest.approx(51 / 101)
    # A wrong box comes before the right one: precision 1/2 at every recall.
    late = average_precision([picture([(0, LEFT)], [(0, 0.9, RIGHT), (0, 0.5, LEFT)])], 1)
    assert late.ap == pytest.approx(0.5)
    # The wrong box comes after it, or the same object is found twice: nothing is lost.
    twice = average_precision(
        [picture([(0, LEFT)], [(0, 0.9, LEFT), (0, 0.8, LEFT), (0, 0.7, RIGHT)])], 1
    )
    assert twice.ap == pytest.approx(1)
    # Right, wrong, right: precision 1 up to 0.5, then 2/3; a class that is never found counts as 0.
    mixed = average_precision(
        [
            picture(
                [(0, LEFT), (0, RIGHT), (1, LEFT)],
                [(0, 0.9, LEFT), (0, 0.8, [0, 0.5, 0.3, 1]), (0, 0.7, RIGHT)],
            )
        ],
        2,
    )
    assert mixed.by_class.tolist() == pytest.approx([(51 + 50 * 2 / 3) / 101, 0])
    assert mixed.ap == pytest.approx(mixed.by_class[0] / 2)
    # The right place with another class is wrong.
    other = average_precision(
        [picture([(0, LEFT), (1, RIGHT)], [(1, 0.9, LEFT), (0, 0.9, RIGHT)])], 2
    )
    assert other.ap == 0


def test_objects_to_ignore_count_neither_for_nor_against() -> None:
    found = average_precision(
        [picture([(0, LEFT), (0, RIGHT)], [(0, 0.9, RIGHT), (0, 0.8, LEFT)], ignored=(1,))], 1
    )
    assert found.ap == pytest.approx(1)


def test_nothing_there_or_nothing_found() -> None:
    assert average_precision([picture([], [(0, 0.9, LEFT)])], 1).ap == 0
    assert average_precision([picture([(0, LEFT)], [])], 1).ap == 0
    assert average_precision([picture([], [])], 1).ap50 == 0


def test_offsets_survive_the_way_there_and_back() -> None:
    random = torch.Generator().manual_seed(2)
    anchors = torch.rand(9, 4, generator=random) * 0.5 + 0.2
    corners = random_boxes(9, 3) + torch.tensor([0, 0, 0.1, 0.1])
    assert torch.allclose(decode(encode(corners, anchors), anchors), corners, atol=1e-5)


def test_without_pycocotools_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setattr(
        "mvt_nas.training.detection.average_precision.installed", lambda name: False
    )
    with pytest.raises(
        TrainingError,
        match=(
            r"^pycocotools is not installed, which evaluates detectors; pip install"
            r" 'mvt-nas\[train\]'$"
        ),
    ):
        check_installed()
