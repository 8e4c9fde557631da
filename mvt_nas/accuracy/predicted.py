"""Predicted accuracy of a space's architectures, as a table's protocol would train them.

A protocol trains on small images, with strides and patches adapted to them. Which strides change
depends on all of them together, so rows are grouped by their strides, and each group has its own
feature table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas._fields import Value
from mvt_nas._typing import FloatArray, IndexArray
from mvt_nas.accuracy.features import FEATURES, FeatureTable
from mvt_nas.accuracy.imagenet.shape import NetworkSizes
from mvt_nas.accuracy.own_data import OwnDataModel
from mvt_nas.accuracy.protocol import protocol_of
from mvt_nas.accuracy.surrogate import AccuracyEstimates, Surrogate
from mvt_nas.accuracy.table import AccuracyTable
from mvt_nas.cost.table import CostTable
from mvt_nas.metrics.names import (
    ACCURACY,
    ACCURACY_BEYOND,
    ACCURACY_HIGH,
    ACCURACY_LOW,
    PREDICTED,
)
from mvt_nas.space.columns import Columns, Rows
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.training.short_recipe import ShortRecipe
from mvt_nas.training.small_images import strides_and_patches

Strides = tuple[int, ...]
"""Stride of each stage."""

# Rows per call of the surrogate: the regression's matrices have a column per trained network.
_CHUNK = 20_000


class SpaceAsTrained:
    """Features of encoded architectures under a protocol, over 100,000 per second.

    Args:
        space: Space that is searched, at any resolution.
        protocol: Protocol that would train its networks.
        num_classes: Number of outputs of the classifier.
    """

    def __init__(self, space: SearchSpace, protocol: ShortRecipe, *, num_classes: int) -> None:
        self._space = space
        self._protocol = protocol
        self._num_classes = num_classes
        self._tables: dict[Strides, FeatureTable] = {}

    def features(self, rows: ArrayLike) -> FloatArray:
        """Return the features (n, features) of rows (n, dimensions)."""
        array = self._space.checked(rows)
        result = np.empty((len(array), len(FEATURES)))
        for strides, members in self.groups(array):
            result[members] = self._table(strides).features(array[members])
        return result

    def groups(self, rows: Rows) -> Iterator[tuple[Strides, IndexArray]]:
        """Yield the strides that occur, and the indices of the rows that have them."""
        strides, groups = np.unique(self._strides(rows), axis=0, return_inverse=True)
        for number, own in enumerate(strides):
            yield tuple(own.tolist()), np.flatnonzero(groups.reshape(-1) == number)

    def space(self, strides: Strides) -> SearchSpace:
        """Return the space in which rows with these strides are the networks as trained."""
        pixels = self._protocol.pixels
        constants: dict[str, Value] = {"resolution_px": pixels}
        if not self._protocol.small_images:
            return self._space.with_overrides(constants, {})
        changed, patches = strides_and_patches(strides, pixels)
        constants |= {
            f"stage{number}.stride": stride for number, stride in enumerate(changed, start=1)
        }
        return self._space.with_overrides(
            constants,
            {f"stage{number}.patch": patch for number, patch in enumerate(patches, start=1)},
        )

    def _strides(self, rows: NDArray[np.integer]) -> NDArray[np.int64]:
        columns = Columns(self._space.plan, rows)
        stages = range(1, self._space.plan.stages + 1)
        return np.column_stack(
            [columns.value(f"stage{number}.stride") for number in stages]
        ).astype(np.int64)

    def _table(self, strides: Strides) -> FeatureTable:
        if strides not in self._tables:
            self._tables[strides] = FeatureTable(self.space(strides), num_classes=self._num_classes)
        return self._tables[strides]


class PredictedAccuracy(Protocol):
    """Predicts the accuracy of a space's architectures under the protocol of a table."""

    def of(self, rows: ArrayLike) -> dict[str, FloatArray]:
        """Return the predicted metrics of rows (n, dimensions) by name, (n,) each."""


class SurrogateInSpace:
    """The surrogate of a table for the rows of a space.

    Args:
        table: Table of trained networks.
        space: Space that is searched, at any resolution.
        surrogate: Surrogate of the table.
    """

    def __init__(self, table: AccuracyTable, space: SearchSpace, surrogate: Surrogate) -> None:
        self._surrogate = surrogate
        self._space = SpaceAsTrained(space, protocol_of(table), num_classes=table.num_classes)

    def of(self, rows: ArrayLike) -> dict[str, FloatArray]:
        """Return the predicted metrics of rows (n, dimensions) by name, (n,) each."""
        array = np.asarray(rows)
        parts = [
            self._of(array[start : start + _CHUNK])
            for start in range(0, max(len(array), 1), _CHUNK)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _of(self, rows: NDArray[np.integer]) -> dict[str, FloatArray]:
        return by_name(self._surrogate.predict_features(self._space.features(rows)))


class OwnDataInSpace:
    """The model of a user's own data for the rows of a space.

    Args:
        table: Table of trained networks.
        space: Space that is searched, at any resolution.
        model: Model of the table's data.
    """

    def __init__(self, table: AccuracyTable, space: SearchSpace, model: OwnDataModel) -> None:
        self._model = model
        self._space = space
        self._as_trained = SpaceAsTrained(space, protocol_of(table), num_classes=table.num_classes)
        self._compiled: dict[Strides, tuple[SearchSpace, CostTable]] = {}

    def of(self, rows: ArrayLike) -> dict[str, FloatArray]:
        """Return the predicted metrics of rows (n, dimensions) by name, (n,) each."""
        array = self._space.checked(rows)
        columns = {name: np.empty(len(array)) for name in PREDICTED}
        for strides, members in self._as_trained.groups(array):
            space, costs = self._table(strides)
            for start in range(0, len(members), _CHUNK):
                part = members[start : start + _CHUNK]
                sizes = NetworkSizes.of_rows(space, array[part], costs.costs(array[part]))
                found = self._model.predict_sizes(sizes)
                for name, column in by_name(found).items():
                    columns[name][part] = column
        return columns

    def _table(self, strides: Strides) -> tuple[SearchSpace, CostTable]:
        if strides not in self._compiled:
            space = self._as_trained.space(strides)
            # The model counts with 1000 classes, as published networks are counted.
            self._compiled[strides] = space, CostTable(space)
        return self._compiled[strides]


def by_name(found: AccuracyEstimates) -> dict[str, FloatArray]:
    """Return estimates by the names of their metrics, (n,) each."""
    return {
        ACCURACY: found.percent,
        ACCURACY_LOW: found.low,
        ACCURACY_HIGH: found.high,
        ACCURACY_BEYOND: found.beyond,
    }
