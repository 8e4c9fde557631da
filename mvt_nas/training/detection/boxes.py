"""How much boxes overlap: the area of their intersection by that of their union (IoU). Boxes are corners (x1, y1, x2, y2).

What counts as found: the boxes of every class whose score is high enough, without those that
overlap a better one of the class.

Source: arXiv 1512.02325, Section 2.2 and 3.1 (inference: scores from 0.01, non-maximum suppression
class by class, the best 200).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mvt_nas.tasks.detection.anchors import decode
from mvt_nas.training.recipe import DetectionOptions


def areas(boxes: Tensor) -> Tensor:
    """Return the areas of boxes (..., 4); boxes that are none have an area of 0."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp(min=0).prod(-1)


def iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the overlap, (..., n, m), of boxes (..., n, 4) and (..., m, 4); 0 for boxes without an area."""
    inner = torch.cat(
        [torch.maximum(first[..., :, None, :2], second[..., None, :, :2]), _smaller(first, second)],
        dim=-1,
    )
    shared = areas(inner)
    union = areas(first)[..., :, None] + areas(second)[..., None, :] - shared
    return torch.where(union > 0, shared / union, torch.zeros_like(union))


def _smaller(first: Tensor, second: Tensor) -> Tensor:
    return torch.minimum(first[..., :, None, 2:], second[..., None, :, 2:])


class Detections(NamedTuple):
    """The boxes found in a picture, best first: corners (n, 4) in sides of the picture, labels (n,) from 0, scores (n,)."""

    corners: Tensor
    labels: Tensor
    scores: Tensor


def postprocess(
    logits: Tensor, offsets: Tensor, anchors: Tensor, how: DetectionOptions
) -> Detections:
    """Return what a network finds in one picture.

    Args:
        logits: (A, classes + 1), the background first.
        offsets: (A, 4).
        anchors: (A, 4), centre form.
        how: thresholds and counts.
    """
    corners = decode(offsets, anchors).clamp(0, 1)
    shares = logits.softmax(1)[:, 1:].T  # (classes, A)
    scores, places = shares.topk(min(how.nms_candidates, shares.shape[1]), dim=1)
    enough = scores >= how.score_threshold
    most = int(enough.sum(1).max())
    scores, places, enough = scores[:, :most], places[:, :most], enough[:, :most]
    kept = enough & nms(corners[places], how.nms_iou)
    labels, ranks = kept.nonzero(as_tuple=True)
    best = scores[kept].argsort(descending=True, stable=True)[: how.most_detections]
    return Detections(corners[places[labels, ranks]][best], labels[best], scores[kept][best])


def nms(corners: Tensor, most_iou: float) -> Tensor:
    """Return which of some lists of boxes, (C, n, 4), each best first, are kept: those that overlap no better kept one by more.

    Whether a box is kept follows from those before it, so the first k are right after k rounds;
    mostly, a handful settles all.
    """
    ahead = torch.ones(
        corners.shape[1], corners.shape[1], dtype=torch.bool, device=corners.device
    ).triu(1)
    beats = (iou(corners, corners) > most_iou) & ahead  # (C, better, worse)
    kept = torch.ones(corners.shape[:2], dtype=torch.bool, device=corners.device)
    while True:
        again = ~(beats & kept[:, :, None]).any(1)
        if torch.equal(again, kept):
            return kept
        kept = again
