"""The groups of values of a training recipe.

Values are declared with their allowed ranges, so that files and command lines are checked in one
place.

Source: arXiv 1512.02325, Sections 2.2 and 3.1, for values of detection; 1706.05587, Section 4.1,
and the release of MobileViT for those of segmentation.
"""

from __future__ import annotations

from dataclasses import dataclass

from mvt_nas._fields import choice, flag, integer, number

_SCALED = {"sampler": ("multi_scale",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """The network's input images."""

    px: int = integer(16, 2048, doc="side of images for evaluation and use", default=256)
    validation_resize_px: int = integer(
        16, 4096, doc="short side of a resized validation image before the centre crop", default=288
    )
    interpolation: str = choice("bilinear", "bicubic", doc="interpolation of resized images")
    channel_order: str = choice(
        "rgb", "bgr", doc="bgr for weights of the first release of MobileViT"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """The number of images per step, and their sizes."""

    sampler: str = choice(
        "fixed",
        "multi_scale",
        doc="fixed: one size of images; multi_scale: a random size for every batch",
    )
    images: int = integer(
        1,
        1_000_000,
        doc="images per step, over all devices, at the size for evaluation",
        default=1024,
    )
    images_per_device: int = integer(
        1, 100_000, doc="largest number of images that a device takes at once", default=128
    )
    smallest_px: int | None = integer(
        16, 4096, doc="smallest side of training images", default=160, when=_SCALED
    )
    largest_px: int | None = integer(
        16, 4096, doc="largest side of training images", default=320, when=_SCALED
    )
    scales: int | None = integer(
        1, 64, doc="number of sizes from smallest to largest", default=5, when=_SCALED
    )
    multiple_of_px: int | None = integer(
        1, 512, doc="sizes are rounded to multiples of this", default=32, when=_SCALED
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """The augmentation of training images; an alpha, a probability or a count of 0 disables it."""

    crop_smallest_share: float = number(
        0.01, 1.0, doc="smallest share of an image's area in a random crop", default=0.08
    )
    flip_probability: float = number(0.0, 1.0, doc="probability of a horizontal flip", default=0.5)
    rand_augment_operations: int = integer(
        0, 14, doc="operations of RandAugment per image", default=0
    )
    rand_augment_magnitude: int = integer(0, 30, doc="magnitude of those operations", default=9)
    erase_probability: float = number(
        0.0, 1.0, doc="probability of erasing a rectangle", default=0.0
    )
    mixup_alpha: float = number(
        0.0, 100.0, doc="parameter of MixUp's beta distribution", default=0.0
    )
    cutmix_alpha: float = number(
        0.0, 100.0, doc="parameter of CutMix's beta distribution", default=0.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """AdamW and its learning rate: a linear warm-up, then half a cosine."""

    epochs: int = integer(1, 100_000, doc="passes over the training images", default=300)
    warmup_epochs: float = number(0.0, 100_000.0, doc="length of the warm-up", default=2.4)
    first_learning_rate: float = number(
        0.0, 10.0, doc="learning rate at the start of the warm-up", default=0.0002
    )
    largest_learning_rate: float = number(
        1e-9, 10.0, doc="learning rate at the end of the warm-up", default=0.002
    )
    last_learning_rate: float = number(
        0.0, 10.0, doc="learning rate at the end of the training", default=0.0002
    )
    weight_decay: float = number(0.0, 10.0, doc="weight decay of AdamW", default=0.01)
    decay_norms_and_biases: bool = flag(doc="whether parameters with one dimension decay, too")
    beta1: float = number(0.0, 0.9999999, doc="first beta of AdamW", default=0.9)
    beta2: float = number(0.0, 0.9999999, doc="second beta of AdamW", default=0.999)
    clip_norm: float = number(
        0.0, 1e9, doc="largest L2 norm of the gradient; 0 for any", default=0.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Regularisation:
    """Regularisation in addition to augmentation."""

    label_smoothing: float = number(
        0.0, 0.99, doc="share of the target that is spread over all classes", default=0.1
    )
    dropout: float = number(0.0, 0.95, doc="dropout probability inside transformers", default=0.0)
    classifier_dropout: float = number(
        0.0, 0.95, doc="dropout probability before the classifier", default=0.0
    )
    ema_momentum: float = number(
        1e-9, 1.0, doc="share of the new weights in their moving average, per step", default=0.0005
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionOptions:
    """The values of object detection."""

    crop_probability: float = number(
        0.0, 1.0, doc="probability of a crop that holds enough of an object", default=0.85
    )
    crop_smallest_side: float = number(
        0.05, 1.0, doc="smallest side of the crop, in sides of the image", default=0.3
    )
    distortion_probability: float = number(
        0.0,
        1.0,
        doc="probability of changing each of brightness, contrast, saturation and hue",
        default=0.5,
    )
    match_iou: float = number(
        0.05,
        0.95,
        doc="smallest IoU of an anchor and the object that it is matched to",
        default=0.5,
    )
    negatives_per_positive: int = integer(
        1,
        1000,
        doc="background anchors in the loss, per anchor of an object",
        default=3,
    )
    score_threshold: float = number(0.0, 0.99, doc="smallest score of a detection", default=0.01)
    nms_iou: float = number(
        0.05,
        0.95,
        doc="IoU above which the weaker of two boxes of a class is suppressed",
        default=0.5,
    )
    nms_candidates: int = integer(
        1, 10_000, doc="boxes per class and image before suppression", default=400
    )
    most_detections: int = integer(
        1, 10_000, doc="largest number of detections per image", default=200
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationOptions:
    """The values of semantic segmentation."""

    smallest_scale: float = number(
        0.1, 10.0, doc="smallest short side of resized images, in images.px", default=0.5
    )
    largest_scale: float = number(
        0.1, 10.0, doc="largest short side; a crop of images.px is taken", default=1.5
    )
    distortion_probability: float = number(
        0.0,
        1.0,
        doc="probability of changing each of brightness, contrast, saturation and hue",
        default=0.5,
    )


GROUPS: dict[str, type] = {
    "images": Images,
    "batches": Batches,
    "augmentation": Augmentation,
    "optimisation": Optimisation,
    "regularisation": Regularisation,
    "detection": DetectionOptions,
    "segmentation": SegmentationOptions,
}
"""The groups of a recipe."""
