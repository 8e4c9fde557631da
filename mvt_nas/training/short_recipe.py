"""The recipe of short trainings, called the protocol in files and messages.

Together with the network, the images and the seed it determines the accuracy. Accuracies are
comparable under one protocol only, so each is stored with the protocol's content hash.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvt_nas._fields import choice, complete, flag, integer, number, specs
from mvt_nas._io import content_hash
from mvt_nas.errors import ArchitectureError, TrainingError, listing, nearest


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortRecipe:
    """The recipe of a short training.

    Fields that :class:`mvt_nas.training.recipe.Recipe` has under other names keep the names of
    existing files: ``learning_rate`` is ``largest_learning_rate``, ``warmup_share`` is
    ``warmup_epochs / epochs``, and ``ema_decay`` is ``1 - ema_momentum``.

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

    pixels: int = integer(8, 1024, doc="side of the images", default=32)
    train_images: int = integer(2, 10**8, doc="training images", default=10_000)
    validation_images: int = integer(1, 10**8, doc="validation images", default=2_000)
    epochs: int = integer(1, 10_000, doc="passes over the training images", default=10)
    batch_size: int = integer(2, 65_536, doc="images per step", default=64)
    learning_rate: float = number(1e-8, 1e4, doc="largest learning rate", default=4e-3)
    weight_decay: float = number(0, 100, doc="weight decay of AdamW", default=0.05)
    warmup_share: float = number(0, 1, doc="share of the steps in the warm-up", default=0.1)
    label_smoothing: float = number(0, 0.99, doc="share spread over all classes", default=0.1)
    ema_decay: float = number(0, 1, doc="decay of the moving average", default=0.99)
    clip_norm: float = number(0, 1e9, doc="largest norm of the gradient; 0 for any", default=1.0)
    flip: bool = flag(doc="random horizontal flips", default=True)
    crop_padding: int = integer(0, 512, doc="largest random shift, in pixels", default=4)
    dtype: str = choice("auto", "fp32", "bf16", doc="precision; auto is bf16 on CUDA")
    small_images: bool = flag(doc="adapt networks to small images", default=True)
    split_seed: int = integer(0, 2**63 - 1, doc="seed of the split", default=0)

    def __post_init__(self) -> None:
        # A missing field is None until here.
        for name, default in complete(ShortRecipe, {}, "protocol").items():
            given = getattr(self, name)
            try:
                value = default if given is None else specs(ShortRecipe)[name].check(given, name)
            except ArchitectureError as error:
                raise TrainingError(str(error)) from None
            object.__setattr__(self, name, value)
        if self.batch_size > self.train_images:
            raise TrainingError(
                f"batch_size = {self.batch_size} is not allowed; at most train_images ="
                f" {self.train_images}"
            )
        if self.crop_padding >= self.pixels:
            raise TrainingError(
                f"crop_padding = {self.crop_padding} is not allowed; less than pixels ="
                f" {self.pixels}"
            )

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
            if data[name] is None:
                raise TrainingError(
                    f"{where}: {name} = null is not allowed; without the line, the default is taken"
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
        return ShortRecipe.load_with_names(path)[0]

    @staticmethod
    def load_with_names(path: str | Path) -> tuple[ShortRecipe, frozenset[str]]:
        """Return the recipe in a YAML or JSON file, and the names of the fields that it gives.

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
        recipe = ShortRecipe.from_dict(data, str(path))
        return recipe, frozenset(data)
