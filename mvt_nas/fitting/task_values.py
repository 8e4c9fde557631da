"""The values that only recipes for detection or segmentation have.

Source: arXiv 1512.02325, Sections 2.2 and 3.1, for detection; 1706.05587, Section 4.1, and the release of MobileViT for segmentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from mvt_nas.space.fields import integer, number

OF_TASKS = ("detection", "segmentation")
"""Groups that only recipes for the task of this name have."""

WHOLE = {
    "crop_smallest_share": 1.0,
    "rand_augment_operations": 0,
    "erase_probability": 0.0,
    "mixup_alpha": 0.0,
    "cutmix_alpha": 0.0,
}
"""What has no meaning for pictures with boxes or masks, and the values that leave it out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionValues:
    """What only a training of object detection has."""

    crop_probability: float = number(0.0, 1.0, doc="of cutting out a part that holds enough of an object", default=0.85)
    crop_smallest_side: float = number(0.05, 1.0, doc="smallest side of that part, in sides of the picture", default=0.3)
    distortion_probability: float = number(0.0, 1.0, doc="of changing brightness, contrast, saturation and hue, each", default=0.5)
    match_iou: float = number(0.05, 0.95, doc="overlap from which on an anchor belongs to an object", default=0.5)
    negatives_per_positive: int = integer(1, 1000, doc="anchors of the background that are learnt from, per anchor of an object", default=3)
    score_threshold: float = number(0.0, 0.99, doc="smallest score of what counts as found", default=0.01)
    nms_iou: float = number(0.05, 0.95, doc="overlap from which on the weaker of two boxes of a class is dropped", default=0.5)
    nms_candidates: int = integer(1, 10_000, doc="boxes per class and picture that are looked at for that", default=400)
    most_detections: int = integer(1, 10_000, doc="boxes per picture that are left", default=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationValues:
    """What only a training of semantic segmentation has."""

    smallest_scale: float = number(0.1, 10.0, doc="smallest short side that pictures are brought to, in images.px", default=0.5)
    largest_scale: float = number(0.1, 10.0, doc="largest such side; images.px of it are cut out", default=1.5)
    distortion_probability: float = number(0.0, 1.0, doc="of changing brightness, contrast, saturation and hue, each", default=0.5)
