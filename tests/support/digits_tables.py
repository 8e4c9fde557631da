"""A small table of networks trained on the digits."""

from __future__ import annotations

from mvt_nas.accuracy.table import TrainedNetwork
from mvt_nas.accuracy.table_builder import TableBuilder
from mvt_nas.space.search_space import load_space
from mvt_nas.training.short_recipe import ShortRecipe

PROTOCOL = ShortRecipe(
    pixels=16,
    train_images=96,
    validation_images=100,
    epochs=1,
    batch_size=16,
    ema_decay=0.5,
    flip=False,
    crop_padding=1,
)
SMALL = TableBuilder(
    load_space("small_images"),
    "digits",
    PROTOCOL,
    spread=8,
    matched=2,
    published=2,
    repeated=2,
    most_macs=1.2e6,
    budget=8e5,
    limit=20,
)


def keys_and_seeds(trainings: tuple[TrainedNetwork, ...]) -> list[tuple[str, int]]:
    """Return the network and the seed of each training."""
    return [(one.key, one.seed) for one in trainings]
