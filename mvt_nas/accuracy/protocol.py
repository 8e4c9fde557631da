"""Protocol of an accuracy table, and architectures adapted to it."""

from __future__ import annotations

from mvt_nas.accuracy.table import AccuracyTable
from mvt_nas.space.architecture import Architecture
from mvt_nas.training.protocol_size import scaled_protocol
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.small_images import as_trained


def protocol_of(table: AccuracyTable) -> ShortRecipe:
    """Return the protocol that trained a table's networks.

    Raises:
        TrainingError: the table's head has none.
    """
    return ShortRecipe.from_dict(table.head.get("protocol"), f"{table.where}: protocol")


def at_protocol(architecture: Architecture, table: AccuracyTable) -> Architecture:
    """Return an architecture as a table's protocol trains it."""
    return as_trained(architecture, protocol_of(table))


def default_protocol(images: int) -> ShortRecipe:
    """Return the default protocol for a number of images.

    If there are fewer images than it needs, it is scaled (:mod:`mvt_nas.training.protocol_size`).

    Raises:
        DataError: there are too few images for any protocol.
    """
    return scaled_protocol(images)
