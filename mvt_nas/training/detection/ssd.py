"""Matching of anchors to objects, and the loss of SSD.

Matching: every object gets the anchor with the largest IoU, each an anchor of its own; any other
anchor whose IoU with an object is at least one half is matched to it as well. Loss: cross-entropy
over the anchors of objects and the hardest of the background, and smooth L1 of the objects'
offsets, weighted equally.

Source: arXiv 1512.02325, Section 2.2 (matching strategy; Eqs. 1 to 3; hard negative mining).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mvt_nas.tasks.detection.anchors import encode
from mvt_nas.training.detection.boxes import iou

BACKGROUND = 0
"""Class of anchors without an object."""

NEITHER = -1
"""Class of anchors that are left out of the loss, because their object is to be ignored."""


class AnchorTargets(NamedTuple):
    """The targets of all anchors.

    Attributes:
        classes: (A,), int64, objects from 1.
        offsets: (A, 4), zero for anchors without an object.
    """

    classes: Tensor
    offsets: Tensor


def match_anchors(
    corners: Tensor, labels: Tensor, ignored: Tensor, anchors: Tensor, match_iou: float
) -> AnchorTargets:
    """Return the targets of all anchors for an image.

    Args:
        corners: Objects, (n, 4), in sides of the image.
        labels: (n,), int64, from 0.
        ignored: (n,), bool; objects that count neither as objects nor as background.
        anchors: (A, 4), centre form.
        match_iou: Smallest IoU of an anchor and its object.
    """
    halves = anchors[:, 2:] / 2
    anchor_corners = torch.cat([anchors[:, :2] - halves, anchors[:, :2] + halves], dim=1)
    classes = torch.full((len(anchors),), BACKGROUND, dtype=torch.int64)
    if bool(ignored.any()):
        classes[(iou(corners[ignored], anchor_corners) >= match_iou).any(0)] = NEITHER
    corners, labels = corners[~ignored], labels[~ignored]
    if not len(corners):
        return AnchorTargets(classes, torch.zeros(len(anchors), 4))
    overlap = iou(corners, anchor_corners)
    largest, owner = overlap.max(0)
    _assign_best_anchors(overlap, largest, owner)
    matched = largest >= match_iou
    classes = torch.where(matched, labels[owner] + 1, classes)
    offsets = torch.where(matched[:, None], encode(corners[owner], anchors), torch.zeros(()))
    return AnchorTargets(classes, offsets)


def _assign_best_anchors(overlap: Tensor, largest: Tensor, owner: Tensor) -> None:
    """Give every object an anchor of its own, the pair with the largest IoU first.

    Args:
        overlap: IoU of objects and anchors, (n, A).
        largest: Largest IoU of each anchor, (A,); raised above any threshold for assigned ones.
        owner: Object of each anchor, (A,); is changed.
    """
    remaining = overlap.clone()
    for _ in range(min(overlap.shape)):
        item, anchor = divmod(int(remaining.argmax()), remaining.shape[1])
        largest[anchor] = 2.0
        owner[anchor] = item
        # Neither the object nor the anchor is assigned again.
        remaining[item] = -1.0
        remaining[:, anchor] = -1.0


def detection_loss(
    logits: Tensor,
    offsets: Tensor,
    classes: Tensor,
    target_offsets: Tensor,
    negatives_per_positive: int,
) -> Tensor:
    """Return the sum over anchors divided by the number of anchors of objects; 0 without any.

    Args:
        logits: (B, A, classes + 1), the background first.
        offsets: (B, A, 4).
        classes: Target classes, (B, A), int64; -1 for anchors that are left out.
        target_offsets: (B, A, 4).
        negatives_per_positive: Background anchors that count, per anchor of an object, image by
            image.
    """
    objects = classes > BACKGROUND
    class_losses = functional.cross_entropy(
        logits.flatten(0, 1), classes.clamp(min=0).flatten(), reduction="none"
    ).view_as(classes)
    negatives = negatives_per_positive * objects.sum(1)
    counted = objects | _hardest(class_losses.detach(), classes == BACKGROUND, negatives)
    box_losses = functional.smooth_l1_loss(offsets, target_offsets, reduction="none").sum(2)
    total = (
        torch.where(counted, class_losses, 0.0).sum() + torch.where(objects, box_losses, 0.0).sum()
    )
    return total / objects.sum().clamp(min=1)


def _hardest(losses: Tensor, background: Tensor, counts: Tensor) -> Tensor:
    """Return a mask of the background anchors with the largest losses of each image, (B, A).

    Args:
        losses: (B, A).
        background: Mask of the background anchors, (B, A).
        counts: Number of anchors to choose, (B,).
    """
    order = torch.where(background, losses, -torch.inf).argsort(dim=1, descending=True, stable=True)
    # The inverse of the order gives the rank of each anchor.
    positions = torch.arange(order.shape[1], device=order.device).expand_as(order)
    ranks = torch.empty_like(order).scatter_(1, order, positions)
    return background & (ranks < counts[:, None])
