"""The recipe of short trainings, called the protocol in files and messages.

Together with the network, the images and the seed it determines the accuracy. Accuracies are
comparable under one protocol only, so each is stored with the protocol's content hash.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvt_nas._io import content_hash
from mvt_nas.errors import TrainingError, listing, nearest

DTYPES = ("auto", "fp32", "bf16")

_RANGES: dict[str, tuple[float, float]] = {
    "pixels": (8, 1024),
    "train_images": (2, 10**8),
    "validation_images": (1, 10**8),
    "epochs": (1, 10_000),
    "batch_size": (2, 65_536),
    "learning_rate": (1e-8, 1e4),
    "weight_decay": (0, 100),
    "warmup_share": (0, 1),
    "label_smoothing": (0, 0.99),
    "ema_decay": (0, 1),
    "clip_norm": (0, 1e9),
    "crop_padding": (0, 512),
    "split_seed": (0, 2**63 - 1),
}
"""Smallest and largest value of each field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortRecipe:
    """The recipe of a short training.

    Attributes:
        pixels: Side of the images.
        train_images: Number of training images.
        validation_images: Number of validation images.
        epochs: Number of passes over the training images.
        batch_size: Images per step; a last batch that is not full is left out.
        learning_rate: Largest learning rate, at the end of the warm-up.
        weight_decay: Weight decay of AdamW on weights with two dimensions and more; norms and
            biases never decay.
        warmup_share: Share of the steps in which the learning rate rises linearly, before it falls
            to zero along a cosine.
        label_smoothing: Share of the target that is spread over all classes.
        ema_decay: Decay of the exponential moving average of the weights.
        clip_norm: Largest L2 norm of the gradient; a larger one is scaled down to it. 0 for any.
            Without it, accuracies of some networks with multi-head attention vary by five points
            between seeds.
        flip: Whether images are flipped at random.
        crop_padding: Largest random shift in pixels; the edge is filled with the image's
            reflection.
        dtype: Precision: ``"fp32"``, ``"bf16"`` (autocast), or ``"auto"``: bf16 on CUDA, fp32
            elsewhere.
        small_images: Whether networks are adapted to small images first (see
            :mod:`mvt_nas.training.small_images`).
        split_seed: Seed of the split into training and validation images, which is the same for
            all networks and training seeds.

    Raises:
        TrainingError: a value is not allowed.
    """

    pixels: int = 32
    train_images: int = 10_000
    validation_images: int = 2_000
    epochs: int = 10
    batch_size: int = 64
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    warmup_share: float = 0.1
    label_smoothing: float = 0.1
    ema_decay: float = 0.99
    clip_norm: float = 1.0
    flip: bool = True
    crop_padding: int = 4
    dtype: str = "auto"
    small_images: bool = True
    split_seed: int = 0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(
                self,
                field.name,
                _checked(field.name, getattr(self, field.name), type(field.default)),
            )
        if self.batch_size > self.train_images:
            raise _error(
                "batch_size", self.batch_size, f"at most train_images = {self.train_images}"
            )
        if self.crop_padding >= self.pixels:
            raise _error("crop_padding", self.crop_padding, f"less than pixels = {self.pixels}")

    @property
    def key(self) -> str:
        """The content hash, 16 hexadecimal digits."""
        return content_hash(json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":")))

    @property
    def steps_per_epoch(self) -> int:
        """Number of optimiser steps in an epoch."""
        return self.train_images // self.batch_size

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(data: object, where: str = "protocol") -> ShortRecipe:
        """Return the recipe that plain data describe; missing fields have their defaults.

        Raises:
            TrainingError: the data are not a mapping, a name is unknown, or a value is not
                allowed; the message starts with ``where``.
        """
        if not isinstance(data, Mapping):
            raise TrainingError(
                f"{where}: a mapping of names to values is expected, not {type(data).__name__}"
            )
        known = [field.name for field in dataclasses.fields(ShortRecipe)]
        for name in data:
            if name not in known:
                raise TrainingError(
                    f"{where}: unknown field {name!r}{nearest(str(name), known)} (known:"
                    f" {listing(known)})"
                )
        try:
            return ShortRecipe(**data)
        except TrainingError as error:
            raise TrainingError(f"{where}: {error}") from None

    @staticmethod
    def load(path: str | Path) -> ShortRecipe:
        """Return the recipe in a YAML or JSON file.

        Raises:
            TrainingError: it cannot be read or does not hold a recipe.
        """
        import yaml

        try:
            data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError) as error:
            raise TrainingError(
                f"{path}: cannot be read ({' '.join(str(error).split())})"
            ) from None
        return ShortRecipe.from_dict(data, str(path))


def _checked(name: str, value: Any, kind: type) -> Any:
    if name == "dtype":
        if value not in DTYPES:
            raise _error(name, value, f"one of {listing(DTYPES)}")
        return value
    if kind is float and type(value) is int:
        value = float(value)
    if kind is bool and type(value) is not bool:
        raise _error(name, value, "true or false")
    low, high = _RANGES.get(name, (-math.inf, math.inf))
    fits = type(value) is kind
    if not fits or not low <= value <= high:
        raise _error(
            name, value, f"{'an integer' if kind is int else 'a number'} from {low:g} to {high:g}"
        )
    return value


def _error(name: str, value: object, allowed: str) -> TrainingError:
    return TrainingError(f"{name} = {value!r} is not allowed; {allowed}")
