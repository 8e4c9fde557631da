"""A table's protocol, and architectures as they are under it."""

from __future__ import annotations

from dataclasses import replace

from mvt_nas.accuracy.table import AccuracyTable
from mvt_nas.space.architecture import Architecture
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.small_images import for_small_images


def protocol_of(table: AccuracyTable) -> ShortRecipe:
    """Return the protocol by which a table's networks were trained.

    Raises:
        TrainingError: the table's head holds none.
    """
    return ShortRecipe.from_dict(table.head.get("protocol"), f"{table.where}: protocol")


def at_protocol(architecture: Architecture, table: AccuracyTable) -> Architecture:
    """Return an architecture as it would be trained for a table: at its resolution, strides and patches to match."""
    return as_trained(architecture, protocol_of(table))


def as_trained(architecture: Architecture, protocol: ShortRecipe) -> Architecture:
    """Return an architecture as a protocol trains it."""
    if protocol.small_images:
        return for_small_images(architecture, protocol.pixels)
    return replace(architecture, resolution_px=protocol.pixels)


def default_protocol(pictures: int) -> ShortRecipe:
    """Return the default protocol for so many pictures: where they are fewer than it asks for, a fifth of them judge."""
    default = ShortRecipe()
    if pictures >= default.train_images + default.validation_images:
        return default
    validation = max(1, pictures // 5)
    return replace(default, train_images=pictures - validation, validation_images=validation)
