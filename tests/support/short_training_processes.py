"""A network and a recipe that train within a second."""

from __future__ import annotations

import dataclasses
from typing import Any

from mvt_nas.blocks.mobilevit.config import MobileViT
from mvt_nas.data import ImageDataset, load_images
from mvt_nas.space.architecture import Architecture, Stage
from mvt_nas.training.short_recipe import ShortRecipe

BLOCK = MobileViT(
    attention="multi_head",
    dim=16,
    ffn_dim=32,
    heads=2,
    transformer_depth=1,
    patch=2,
    fusion="local",
    residual=True,
)
SMALL = Architecture(
    resolution_px=16,
    stem_width=16,
    stages=(
        Stage(width=24, stride=1, expansion=2.0),
        Stage(width=32, stride=2, expansion=2.0, block=BLOCK),
    ),
)
QUICK = ShortRecipe(
    pixels=16,
    train_images=256,
    validation_images=100,
    epochs=3,
    batch_size=32,
    learning_rate=0.01,
    flip=False,
    crop_padding=1,
    ema_decay=0.9,
)


def digits() -> ImageDataset:
    return load_images("digits", 16)


def quick(**changes: Any) -> ShortRecipe:
    return dataclasses.replace(QUICK, **changes)
