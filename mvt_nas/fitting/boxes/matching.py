"""Which anchors have to find which objects.

Source: arXiv 1512.02325, Section 2.2 (matching strategy): every object gets the anchor that it overlaps most, each of them one of its own;
any other anchor that overlaps an object by half belongs to it as well.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mvt_nas.fitting.boxes.overlap import iou
from mvt_nas.tasks.detection.anchors import encode

BACKGROUND, NEITHER = 0, -1
"""Classes of anchors that have to find nothing, and of those that are left out since what is there is to be ignored."""


class Targets(NamedTuple):
    """What every anchor should say: classes (A,), int64, objects from 1; offsets (A, 4), zero for other than objects."""

    classes: Tensor
    offsets: Tensor


def match(corners: Tensor, labels: Tensor, ignored: Tensor, anchors: Tensor, match_iou: float) -> Targets:
    """Return what every anchor should say of a picture.

    Args:
        corners: (n, 4), of the objects, in sides of the picture.
        labels: (n,), int64, from 0.
        ignored: (n,), bool; objects that anchors neither have to find nor to pass over.
        anchors: (A, 4), centre form.
        match_iou: overlap from which on an anchor belongs to an object.
    """
    around = torch.cat([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], dim=1)
    classes = torch.zeros(len(anchors), dtype=torch.int64)
    if bool(ignored.any()):
        classes[(iou(corners[ignored], around) >= match_iou).any(0)] = NEITHER
    corners, labels = corners[~ignored], labels[~ignored]
    if not len(corners):
        return Targets(classes, torch.zeros(len(anchors), 4))
    overlap = iou(corners, around)
    most, owner = overlap.max(0)
    _give_each_one(overlap, most, owner)
    found = most >= match_iou
    classes = torch.where(found, labels[owner] + 1, classes)
    return Targets(classes, torch.where(found[:, None], encode(corners[owner], anchors), torch.zeros(())))


def _give_each_one(overlap: Tensor, most: Tensor, owner: Tensor) -> None:
    """Let every object own an anchor, the pair with the largest overlap first."""
    left = overlap.clone()
    for _ in range(min(overlap.shape)):
        place = int(left.argmax())
        thing, anchor = divmod(place, left.shape[1])
        most[anchor], owner[anchor] = 2.0, thing
        left[thing], left[:, anchor] = -1.0, -1.0
