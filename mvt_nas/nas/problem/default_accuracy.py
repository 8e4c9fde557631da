"""The accuracy that a search optimises where none is named: it follows from the space."""

from __future__ import annotations

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.accuracy.table import AccuracyTable, read_table
from mvt_nas.cost.counts import count
from mvt_nas.errors import MetricError
from mvt_nas.metrics.names import ACCURACY, IMAGENET, TRAINED
from mvt_nas.resources import default_table
from mvt_nas.space.columns import Columns
from mvt_nas.space.search_space import SearchSpace

LARGE_PX = 128
"""Resolution from which networks are compared by their ImageNet accuracy."""

SMALL_PX = 64
"""Resolution up to which the shipped table of small networks may predict accuracy."""

WITHIN = 2.0
"""Factor by which networks may be larger or smaller than those of the table."""

# Networks whose sizes are looked at, and the share of them that has to be near the table.
_SAMPLE = 48
_SHARE = 0.9


def default_accuracy(space: SearchSpace, *, has_table: bool) -> str:
    """Return the name of the metric of accuracy that suits a space.

    Args:
        space: The space.
        has_table: Whether the user gave a table of trained networks.

    Raises:
        MetricError: Nothing that ships predicts accuracy at this resolution and size; the message
            says what to give.
    """
    if has_table:
        return ACCURACY
    least, most = resolutions(space)
    if least >= LARGE_PX:
        return IMAGENET
    if most <= SMALL_PX and _near_table(space):
        return ACCURACY
    pixels = f"{least} px" if least == most else f"{least} to {most} px"
    raise MetricError(
        f"no default for {space.name} ({pixels}): nothing that ships predicts accuracy for networks"
        f" of this resolution and size; give {TRAINED}, or a table of your own trainings, or"
        f" {IMAGENET} by name",
        parameter="objectives",
    )


def resolutions(space: SearchSpace) -> tuple[int, int]:
    """Return the smallest and the largest resolution of a space in pixels."""
    dimensions = [one for one in space.dimensions if one.name == "resolution_px"]
    if dimensions:
        values = np.array(dimensions[0].values, dtype=int)
        return int(values.min()), int(values.max())
    only = int(Columns(space.plan, space.sample(1, 0)).value("resolution_px")[0])
    return only, only


def _near_table(space: SearchSpace) -> bool:
    """Return True if most networks of a space are about as large as those of the shipped table."""
    table = read_table(default_table())
    trained = np.log([[network.params, network.macs] for network in table.trainings])
    sizes = _sizes(space, table)
    beyond = np.maximum(trained.min(axis=0) - sizes, sizes - trained.max(axis=0))
    near = beyond.max(axis=1) <= np.log(WITHIN)
    return bool(near.mean() >= _SHARE)


def _sizes(space: SearchSpace, table: AccuracyTable) -> FloatArray:
    """Return log-parameters and log-MACs of a sample of networks as trained, (n, 2)."""
    architectures = space.decode_many(space.sample(_SAMPLE, 0))
    counts = [
        count(at_protocol(architecture, table), num_classes=table.num_classes)
        for architecture in architectures
    ]
    return np.log([[float(one.params), float(one.macs)] for one in counts])
