"""Operations on boxes: IoU, non-maximum suppression, and detections from a network's outputs.

Boxes are corners (x1, y1, x2, y2).

Source: arXiv 1512.02325, Section 2.2 and 3.1 (inference: scores from 0.01, non-maximum suppression
class by class, the best 200).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mvt_nas.tasks.detection.anchors import decode
from mvt_nas.training.recipe_groups import DetectionOptions


def areas(boxes: Tensor) -> Tensor:
    """Return the areas of boxes (..., 4); a box whose corners are swapped has an area of 0."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the intersection over union of all pairs of boxes, 0 for boxes without an area.

    Args:
        first: (..., n, 4).
        second: (..., m, 4).

    Returns:
        (..., n, m).
    """
    first_rows, second_columns = first[..., :, None, :], second[..., None, :, :]
    top_left = torch.maximum(first_rows[..., :2], second_columns[..., :2])
    bottom_right = torch.minimum(first_rows[..., 2:], second_columns[..., 2:])
    intersection = areas(torch.cat([top_left, bottom_right], dim=-1))
    union = areas(first)[..., :, None] + areas(second)[..., None, :] - intersection
    return torch.where(union > 0, intersection / union, torch.zeros_like(union))


class Detections(NamedTuple):
    """The detections in an image, best first.

    Attributes:
        corners: (n, 4), in sides of the image.
        labels: (n,), from 0.
        scores: (n,), 0 to 1.
    """

    corners: Tensor
    labels: Tensor
    scores: Tensor


def postprocess(
    logits: Tensor, offsets: Tensor, anchors: Tensor, options: DetectionOptions
) -> Detections:
    """Return the detections in one image.

    Args:
        logits: (A, classes + 1), the background first.
        offsets: (A, 4).
        anchors: (A, 4), centre form.
        options: Thresholds and counts.
    """
    corners = decode(offsets, anchors).clamp(0, 1)
    # Without the background: (classes, A).
    probabilities = logits.softmax(1)[:, 1:].T
    candidates = min(options.nms_candidates, probabilities.shape[1])
    scores, places = probabilities.topk(candidates, dim=1)
    enough = scores >= options.score_threshold
    # Scores fall along each row, so what is beyond the longest row of candidates can go.
    most = int(enough.sum(1).max())
    scores, places, enough = scores[:, :most], places[:, :most], enough[:, :most]
    kept = enough & nms(corners[places], options.nms_iou)
    labels, ranks = kept.nonzero(as_tuple=True)
    best = scores[kept].argsort(descending=True, stable=True)[: options.most_detections]
    return Detections(corners[places[labels, ranks]][best], labels[best], scores[kept][best])


def nms(corners: Tensor, most_iou: float) -> Tensor:
    """Return a mask of the boxes that survive non-maximum suppression, (C, n).

    A box is suppressed if its IoU with a better surviving one is above ``most_iou``. It depends on
    the boxes before it only, so after k rounds the first k are right; mostly, a few rounds settle
    all.

    Args:
        corners: C lists of boxes, (C, n, 4), each best first.
        most_iou: Largest IoU of two surviving boxes.
    """
    count = corners.shape[1]
    is_better = torch.ones(count, count, dtype=torch.bool, device=corners.device).triu(1)
    # (C, better, worse)
    suppresses = (iou(corners, corners) > most_iou) & is_better
    kept = torch.ones(corners.shape[:2], dtype=torch.bool, device=corners.device)
    while True:
        updated = ~(suppresses & kept[:, :, None]).any(1)
        if torch.equal(updated, kept):
            return kept
        kept = updated
