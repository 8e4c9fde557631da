"""The values that only recipes for detection or segmentation have.

Source: arXiv 1512.02325, Sections 2.2 and 3.1, for detection; 1706.05587, Section 4.1, and the
release of MobileViT for segmentation.

How a network is trained to its end: all that decides its weights beside the network, the pictures
and the seed.

The values are declared with the ranges they may have, so that files and command lines are checked
in one place.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mvt_nas._fields import choice, complete, flag, integer, number, specs
from mvt_nas.errors import ArchitectureError, TrainingError, listing, nearest

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
class DetectionOptions:
    """What only a training of object detection has."""

    crop_probability: float = number(
        0.0, 1.0, doc="of cutting out a part that holds enough of an object", default=0.85
    )
    crop_smallest_side: float = number(
        0.05, 1.0, doc="smallest side of that part, in sides of the picture", default=0.3
    )
    distortion_probability: float = number(
        0.0, 1.0, doc="of changing brightness, contrast, saturation and hue, each", default=0.5
    )
    match_iou: float = number(
        0.05, 0.95, doc="overlap from which on an anchor belongs to an object", default=0.5
    )
    negatives_per_positive: int = integer(
        1,
        1000,
        doc="anchors of the background that are learnt from, per anchor of an object",
        default=3,
    )
    score_threshold: float = number(
        0.0, 0.99, doc="smallest score of what counts as found", default=0.01
    )
    nms_iou: float = number(
        0.05,
        0.95,
        doc="overlap from which on the weaker of two boxes of a class is dropped",
        default=0.5,
    )
    nms_candidates: int = integer(
        1, 10_000, doc="boxes per class and picture that are looked at for that", default=400
    )
    most_detections: int = integer(1, 10_000, doc="boxes per picture that are left", default=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentationOptions:
    """What only a training of semantic segmentation has."""

    smallest_scale: float = number(
        0.1, 10.0, doc="smallest short side that pictures are brought to, in images.px", default=0.5
    )
    largest_scale: float = number(
        0.1, 10.0, doc="largest such side; images.px of it are cut out", default=1.5
    )
    distortion_probability: float = number(
        0.0, 1.0, doc="of changing brightness, contrast, saturation and hue, each", default=0.5
    )


_SCALED = {"sampler": ("multi_scale",)}
_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """What pictures look like to the network."""

    px: int = integer(16, 2048, doc="side at which the network is judged and used", default=256)
    validation_resize_px: int = integer(
        16, 4096, doc="short side of a whole picture, the middle of which is judged", default=288
    )
    interpolation: str = choice("bilinear", "bicubic", doc="how pictures are resized")
    channel_order: str = choice(
        "rgb", "bgr", doc="bgr for weights of the first release of MobileViT"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """How many pictures a step learns from, and how large they are."""

    sampler: str = choice(
        "fixed", "multi_scale", doc="whether all batches have one size of pictures"
    )
    images: int = integer(
        1,
        1_000_000,
        doc="pictures a step, over all devices, at the size they are judged at",
        default=1024,
    )
    images_per_device: int = integer(
        1, 100_000, doc="of those the most that a device takes at once", default=128
    )
    smallest_px: int | None = integer(
        16, 4096, doc="smallest side of pictures", default=160, when=_SCALED
    )
    largest_px: int | None = integer(
        16, 4096, doc="largest side of pictures", default=320, when=_SCALED
    )
    scales: int | None = integer(
        1, 64, doc="sizes between smallest and largest, both included", default=5, when=_SCALED
    )
    multiple_of_px: int | None = integer(
        1, 512, doc="what sizes are rounded to", default=32, when=_SCALED
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """What is done to pictures that are learnt from; an alpha, a probability or a count of 0 leaves it out."""

    crop_smallest_share: float = number(
        0.01, 1.0, doc="smallest share of a picture's area that is cut out", default=0.08
    )
    flip_probability: float = number(0.0, 1.0, doc="of mirroring left and right", default=0.5)
    rand_augment_operations: int = integer(
        0, 14, doc="operations of RandAugment per picture", default=0
    )
    rand_augment_magnitude: int = integer(0, 30, doc="their strength", default=9)
    erase_probability: float = number(0.0, 1.0, doc="of erasing a rectangle", default=0.0)
    mixup_alpha: float = number(
        0.0, 100.0, doc="of the beta distribution of MixUp's shares", default=0.0
    )
    cutmix_alpha: float = number(
        0.0, 100.0, doc="of the beta distribution of CutMix's areas", default=0.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimisation:
    """AdamW, and its learning rate over time: a linear rise, then half a cosine."""

    epochs: int = integer(1, 100_000, doc="passes over the pictures", default=300)
    warmup_epochs: float = number(0.0, 100_000.0, doc="of the rise", default=2.4)
    first_learning_rate: float = number(0.0, 10.0, doc="at the start of the rise", default=0.0002)
    largest_learning_rate: float = number(1e-9, 10.0, doc="at its end", default=0.002)
    last_learning_rate: float = number(0.0, 10.0, doc="at the end of all", default=0.0002)
    weight_decay: float = number(0.0, 10.0, doc="of AdamW", default=0.01)
    decay_norms_and_biases: bool = flag(doc="whether parameters with one dimension decay, too")
    beta1: float = number(0.0, 0.9999999, doc="of AdamW", default=0.9)
    beta2: float = number(0.0, 0.9999999, doc="of AdamW", default=0.999)
    clip_norm: float = number(0.0, 1e9, doc="largest norm of the gradient; 0: any", default=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regularisation:
    """What keeps the network from learning its pictures by heart, beside augmentation."""

    label_smoothing: float = number(
        0.0, 0.99, doc="share of a target that is spread over all classes", default=0.1
    )
    dropout: float = number(0.0, 0.95, doc="probability inside transformers", default=0.0)
    classifier_dropout: float = number(
        0.0, 0.95, doc="probability before the classifier", default=0.0
    )
    ema_momentum: float = number(
        1e-9, 1.0, doc="share of the new weights in their moving average, per step", default=0.0005
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A training recipe: for classification, unless it has values for another task.

    Raises:
        TrainingError: values that do not fit together.
    """

    images: Images = Images()
    batches: Batches = Batches()
    augmentation: Augmentation = Augmentation()
    optimisation: Optimisation = Optimisation()
    regularisation: Regularisation = Regularisation()
    detection: DetectionOptions | None = None
    segmentation: SegmentationOptions | None = None

    def __post_init__(self) -> None:
        for name in self._groups():
            object.__setattr__(
                self, name, _group(GROUPS[name], _values(getattr(self, name)), f"recipe.{name}")
            )
        _check(self)

    @property
    def kind(self) -> str:
        """The task that it is for."""
        return next(
            (name for name in OF_TASKS if getattr(self, name) is not None), "classification"
        )

    def _groups(self) -> list[str]:
        return [name for name in GROUPS if getattr(self, name) is not None]

    @property
    def key(self) -> str:
        """The content hash, 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return all values as plain data, group by group; those without effect are left out."""
        return {
            name: {
                field: value
                for field, value in _values(getattr(self, name)).items()
                if value is not None
            }
            for name in self._groups()
        }

    @staticmethod
    def from_dict(data: object, where: str = "recipe") -> Recipe:
        """Return the recipe that plain data describe; what is not named has its default.

        Raises:
            TrainingError: an unknown name, or a value that is not allowed; ``where`` begins the
                message.
        """
        groups = {}
        for name, values in _mapping(data, GROUPS, where).items():
            place = f"{where}.{name}"
            groups[name] = _group(GROUPS[name], _mapping(values, specs(GROUPS[name]), place), place)
        try:
            return Recipe(**groups)
        except TrainingError as error:
            raise TrainingError(f"{where}{str(error).removeprefix('recipe')}") from None

    def changed(self, values: Mapping[str, object], where: str = "recipe") -> Recipe:
        """Return the recipe with other values, each named by group and field: ``optimisation.epochs``.

        Raises:
            TrainingError: an unknown name, or a value that is not allowed.
        """
        data: dict[str, dict[str, Any]] = self.to_dict()
        for name, value in values.items():
            group, _, field = name.partition(".")
            known = [
                f"{group}.{field}"
                for group in (data if group in data else GROUPS)
                for field in specs(GROUPS[group])
            ]
            if name not in known:
                raise TrainingError(
                    f"{where}: unknown field {name!r}{nearest(name, known)} (known:"
                    f" {listing(known)})"
                )
            if group not in data:
                raise TrainingError(
                    f"{where}: field {name!r} is for {group}; this recipe is for {self.kind}"
                )
            data[group][field] = value
        return Recipe.from_dict(data, where)

    def lasting(self, epochs: int) -> Recipe:
        """Return the recipe for another number of epochs, the rise of the learning rate in proportion.

        Raises:
            TrainingError: a number that is not allowed.
        """
        warmup = min(self.optimisation.warmup_epochs * epochs / self.optimisation.epochs, epochs)
        return self.changed({"optimisation.epochs": epochs, "optimisation.warmup_epochs": warmup})

    def at(self, px: int) -> Recipe:
        """Return the recipe for pictures of another side, all sizes in proportion."""
        factor, batches = px / self.images.px, self.batches
        images = dataclasses.replace(
            self.images,
            px=px,
            validation_resize_px=round(self.images.validation_resize_px * factor),
        )
        if batches.sampler == "multi_scale":
            step = batches.multiple_of_px or 1
            step = (
                step if px >= 4 * step else max(1, round(step * factor))
            )  # else small pictures would all have one size
            low, high = (
                round((side or px) * factor / step) * step
                for side in (batches.smallest_px, batches.largest_px)
            )
            batches = dataclasses.replace(
                batches,
                smallest_px=min(px, max(low, 16)),
                largest_px=max(px, high),
                multiple_of_px=step,
            )
        return dataclasses.replace(self, images=images, batches=batches)


GROUPS: dict[str, type] = {
    "images": Images,
    "batches": Batches,
    "augmentation": Augmentation,
    "optimisation": Optimisation,
    "regularisation": Regularisation,
    "detection": DetectionOptions,
    "segmentation": SegmentationOptions,
}
"""The parts of a recipe."""


def _values(group: Any) -> dict[str, Any]:
    return {name: getattr(group, name) for name in specs(type(group))}


def _group(cls: type, data: Mapping[str, object], where: str) -> Any:
    """Return a part of a recipe out of values, checked; a number that YAML 1.1 takes for a text, such as 2e-3, is one here."""
    numbers = {
        name: float(value) if isinstance(value, str) and _EXPONENT.fullmatch(value) else value
        for name, value in data.items()
    }
    try:
        return cls(**complete(cls, numbers, where))
    except ArchitectureError as error:
        raise TrainingError(str(error)) from None


def _mapping(data: object, known: Mapping[str, object], where: str) -> Mapping[str, Any]:
    if not isinstance(data, Mapping):
        raise TrainingError(
            f"{where}: a mapping of names to values is expected, not {type(data).__name__} (known:"
            f" {listing(known)})"
        )
    for name in data:
        if name not in known:
            raise TrainingError(
                f"{where}: unknown field {name!r}{nearest(str(name), known)} (known:"
                f" {listing(known)})"
            )
        if data[name] is None:
            raise TrainingError(
                f"{where}.{name} = null is not allowed; without the line, the default is taken"
            )
    return data


def _check(recipe: Recipe) -> None:
    images, batches, steps = recipe.images, recipe.batches, recipe.optimisation
    if images.validation_resize_px < images.px:
        raise _unfit(
            "images.validation_resize_px",
            images.validation_resize_px,
            f"at least images.px = {images.px}",
        )
    if batches.smallest_px is not None and batches.largest_px is not None:
        if batches.smallest_px > images.px:
            raise _unfit(
                "batches.smallest_px", batches.smallest_px, f"at most images.px = {images.px}"
            )
        if batches.largest_px < images.px:
            raise _unfit(
                "batches.largest_px", batches.largest_px, f"at least images.px = {images.px}"
            )
    if steps.warmup_epochs > steps.epochs:
        raise _unfit(
            "optimisation.warmup_epochs",
            steps.warmup_epochs,
            f"at most optimisation.epochs = {steps.epochs}",
        )
    if recipe.kind in OF_TASKS:
        _check_task(recipe)
    for name in ("first_learning_rate", "last_learning_rate"):
        if getattr(steps, name) > steps.largest_learning_rate:
            raise _unfit(
                f"optimisation.{name}",
                getattr(steps, name),
                f"at most largest_learning_rate = {steps.largest_learning_rate:g}",
            )


def _check_task(recipe: Recipe) -> None:
    """Check what holds for recipes with boxes or masks only."""
    if recipe.detection is not None and recipe.segmentation is not None:
        raise TrainingError(
            "recipe: values for detection and for segmentation; a recipe is for one task"
        )
    kind, images = recipe.kind, recipe.images
    for name, value in WHOLE.items():
        if getattr(recipe.augmentation, name) != value:
            raise _unfit(
                f"augmentation.{name}",
                getattr(recipe.augmentation, name),
                f"{value:g} in a recipe for {kind}",
            )
    if images.validation_resize_px != images.px:
        raise _unfit(
            "images.validation_resize_px",
            images.validation_resize_px,
            f"images.px = {images.px}: in {kind}, whole pictures are judged",
        )
    smoothing, scales = recipe.regularisation.label_smoothing, recipe.segmentation
    if recipe.detection is not None and smoothing:
        raise _unfit("regularisation.label_smoothing", smoothing, "0 in a recipe for detection")
    if scales is not None and scales.smallest_scale > scales.largest_scale:
        raise _unfit(
            "segmentation.smallest_scale",
            scales.smallest_scale,
            f"at most largest_scale = {scales.largest_scale:g}",
        )


def _unfit(name: str, value: float, allowed: str) -> TrainingError:
    return TrainingError(f"recipe.{name} = {value:g} is not allowed; {allowed}")
