"""Which anchors have to find which objects.

Source: arXiv 1512.02325, Section 2.2 (matching strategy): every object gets the anchor that it
overlaps most, each of them one of its own; any other anchor that overlaps an object by half belongs
to it as well.

The loss of SSD: cross-entropy over the anchors of objects and the hardest of the background, and
smooth L1 of the objects' offsets.

Source: arXiv 1512.02325, Section 2.2, Eqs. 1 to 3 and hard negative mining; the two parts count
equally.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.tasks.detection.anchors import encode
from mvt_nas.training.detection.boxes import iou

BACKGROUND, NEITHER = 0, -1
"""Classes of anchors that have to find nothing, and of those that are left out since what is there
is to be ignored."""


class AnchorTargets(NamedTuple):
    """What every anchor should say: classes (A,), int64, objects from 1; offsets (A, 4), zero for other than objects."""

    classes: Tensor
    offsets: Tensor


def match_anchors(
    corners: Tensor, labels: Tensor, ignored: Tensor, anchors: Tensor, match_iou: float
) -> AnchorTargets:
    """Return what every anchor should say of a picture.

    Args:
        corners: (n, 4), of the objects, in sides of the picture.
        labels: (n,), int64, from 0.
        ignored: (n,), bool; objects that anchors neither have to find nor to pass over.
        anchors: (A, 4), centre form.
        match_iou: overlap from which on an anchor belongs to an object.
    """
    around = torch.cat(
        [anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], dim=1
    )
    classes = torch.zeros(len(anchors), dtype=torch.int64)
    if bool(ignored.any()):
        classes[(iou(corners[ignored], around) >= match_iou).any(0)] = NEITHER
    corners, labels = corners[~ignored], labels[~ignored]
    if not len(corners):
        return AnchorTargets(classes, torch.zeros(len(anchors), 4))
    overlap = iou(corners, around)
    most, owner = overlap.max(0)
    _give_each_one(overlap, most, owner)
    found = most >= match_iou
    classes = torch.where(found, labels[owner] + 1, classes)
    return AnchorTargets(
        classes, torch.where(found[:, None], encode(corners[owner], anchors), torch.zeros(()))
    )


def _give_each_one(overlap: Tensor, most: Tensor, owner: Tensor) -> None:
    """Let every object own an anchor, the pair with the largest overlap first."""
    left = overlap.clone()
    for _ in range(min(overlap.shape)):
        place = int(left.argmax())
        thing, anchor = divmod(place, left.shape[1])
        most[anchor], owner[anchor] = 2.0, thing
        left[thing], left[:, anchor] = -1.0, -1.0


def detection_loss(
    logits: Tensor, offsets: Tensor, classes: Tensor, wanted: Tensor, negatives_per_positive: int
) -> Tensor:
    """Return the sum over anchors by the number of anchors of objects; 0 where there are none.

    Args:
        logits: (B, A, classes + 1), the background first.
        offsets: (B, A, 4).
        classes: (B, A), int64, which they should be; -1 for anchors that are left out.
        wanted: (B, A, 4), offsets that they should be.
        negatives_per_positive: anchors of the background that count, per anchor of an object,
            picture by picture.
    """
    objects = classes > BACKGROUND
    surprise = functional.cross_entropy(
        logits.flatten(0, 1), classes.clamp(min=0).flatten(), reduction="none"
    ).view_as(classes)
    counted = objects | _hardest(
        surprise.detach(), classes == BACKGROUND, negatives_per_positive * objects.sum(1)
    )
    misses = functional.smooth_l1_loss(offsets, wanted, reduction="none").sum(2)
    total = torch.where(counted, surprise, 0.0).sum() + torch.where(objects, misses, 0.0).sum()
    return total / objects.sum().clamp(min=1)


def _hardest(surprise: Tensor, background: Tensor, counts: Tensor) -> Tensor:
    """Return which anchors of the background, (B, A), are the ``counts`` (B,) of their picture with the largest loss."""
    order = torch.where(background, surprise, -torch.inf).argsort(
        dim=1, descending=True, stable=True
    )
    ranks = torch.empty_like(order).scatter_(
        1, order, torch.arange(order.shape[1], device=order.device).expand_as(order)
    )
    return background & (ranks < counts[:, None])
