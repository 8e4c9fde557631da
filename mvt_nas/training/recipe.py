"""The recipe of a full training: together with network, images and seed it determines the weights.

Values are declared with their allowed ranges, so that files and command lines are checked in one
place.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mvt_nas._fields import complete, specs
from mvt_nas._io import content_hash
from mvt_nas.errors import ArchitectureError, TrainingError, listing, nearest
from mvt_nas.training.recipe_groups import (
    GROUPS,
    Augmentation,
    Batches,
    DetectionOptions,
    Images,
    Optimisation,
    Regularisation,
    SegmentationOptions,
)

OF_TASKS = ("detection", "segmentation")
"""Groups that only recipes for the task of the same name have."""

WHOLE = {
    "crop_smallest_share": 1.0,
    "rand_augment_operations": 0,
    "erase_probability": 0.0,
    "mixup_alpha": 0.0,
    "cutmix_alpha": 0.0,
}
"""Augmentations that do not apply to images with boxes or masks, and their neutral values."""


_EXPONENT = re.compile(r"[+-]?\d+(\.\d*)?[eE][+-]?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A training recipe: for classification, unless it has values for another task.

    Raises:
        TrainingError: a value is not allowed, or values contradict each other.
    """

    images: Images = dataclasses.field(default_factory=Images)
    batches: Batches = dataclasses.field(default_factory=Batches)
    augmentation: Augmentation = dataclasses.field(default_factory=Augmentation)
    optimisation: Optimisation = dataclasses.field(default_factory=Optimisation)
    regularisation: Regularisation = dataclasses.field(default_factory=Regularisation)
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
        """The task of the recipe."""
        return next(
            (name for name in OF_TASKS if getattr(self, name) is not None), "classification"
        )

    def _groups(self) -> list[str]:
        return [name for name in GROUPS if getattr(self, name) is not None]

    @property
    def key(self) -> str:
        """The content hash, 16 hexadecimal digits."""
        return content_hash(self.to_dict())

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return all values as plain data, group by group, without inactive ones."""
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
        """Return the recipe that plain data describe; missing fields have their defaults.

        Raises:
            TrainingError: a name is unknown, or a value is not allowed; the message starts with
                ``where``.
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
        """Return the recipe with other values, named by group and field (``optimisation.epochs``).

        Raises:
            TrainingError: a name is unknown, or a value is not allowed.
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
        """Return the recipe for another number of epochs, with the warm-up in proportion.

        Raises:
            TrainingError: the number is not allowed.
        """
        warmup = min(self.optimisation.warmup_epochs * epochs / self.optimisation.epochs, epochs)
        return self.changed({"optimisation.epochs": epochs, "optimisation.warmup_epochs": warmup})

    def at(self, px: int) -> Recipe:
        """Return the recipe for images of another side, with all sizes in proportion."""
        factor = px / self.images.px
        batches = self.batches
        images = dataclasses.replace(
            self.images,
            px=px,
            validation_resize_px=round(self.images.validation_resize_px * factor),
        )
        if batches.sampler == "multi_scale":
            step = batches.multiple_of_px or 1
            if px < 4 * step:
                # Otherwise small images would all be rounded to one size.
                step = max(1, round(step * factor))
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


def _values(group: Any) -> dict[str, Any]:
    return {name: getattr(group, name) for name in specs(type(group))}


def _group(cls: type, data: Mapping[str, object], where: str) -> Any:
    """Return a group of a recipe with checked values.

    A number that YAML 1.1 takes for a text, such as 2e-3, is accepted as a number.
    """
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
    images, batches = recipe.images, recipe.batches
    optimisation = recipe.optimisation
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
    if optimisation.warmup_epochs > optimisation.epochs:
        raise _unfit(
            "optimisation.warmup_epochs",
            optimisation.warmup_epochs,
            f"at most optimisation.epochs = {optimisation.epochs}",
        )
    if recipe.kind in OF_TASKS:
        _check_task(recipe)
    for name in ("first_learning_rate", "last_learning_rate"):
        if getattr(optimisation, name) > optimisation.largest_learning_rate:
            raise _unfit(
                f"optimisation.{name}",
                getattr(optimisation, name),
                f"at most largest_learning_rate = {optimisation.largest_learning_rate:g}",
            )


def _check_task(recipe: Recipe) -> None:
    """Check the constraints of recipes with boxes or masks."""
    if recipe.detection is not None and recipe.segmentation is not None:
        raise TrainingError(
            "recipe: values for detection and for segmentation; a recipe is for one task"
        )
    kind = recipe.kind
    images = recipe.images
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
            f"images.px = {images.px}: in {kind}, whole images are evaluated",
        )
    smoothing = recipe.regularisation.label_smoothing
    scales = recipe.segmentation
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
