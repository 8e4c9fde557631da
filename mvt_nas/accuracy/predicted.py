"""The surrogate for the rows of a space: accuracy, its interval, and how far beyond the trained networks a row is."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mvt_nas.accuracy.names import ACCURACY, ACCURACY_BEYOND, ACCURACY_HIGH, ACCURACY_LOW
from mvt_nas.accuracy.protocol import protocol_of
from mvt_nas.accuracy.space_as_trained import SpaceAsTrained
from mvt_nas.accuracy.surrogate import Estimates, Surrogate
from mvt_nas.accuracy.table import Table
from mvt_nas.space.search_space import SearchSpace

_CHUNK = 20_000  # the regression's matrices have a column per trained network


class PredictedAccuracy:
    """Predicts what the protocol of a table would make of the architectures of a space.

    Args:
        table: of trained networks.
        space: that is searched, at whatever resolution.
        surrogate: that of the table.
    """

    def __init__(self, table: Table, space: SearchSpace, surrogate: Surrogate) -> None:
        self._surrogate = surrogate
        self._space = SpaceAsTrained(space, protocol_of(table), num_classes=table.num_classes)

    def of(self, rows: ArrayLike) -> dict[str, NDArray[np.float64]]:
        """Return by name what is predicted of rows, (n, dimensions); each (n,)."""
        array = np.asarray(rows)
        parts = [self._of(array[start : start + _CHUNK]) for start in range(0, max(len(array), 1), _CHUNK)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _of(self, rows: NDArray[np.integer]) -> dict[str, NDArray[np.float64]]:
        return by_name(self._surrogate.predict_features(self._space.features(rows)))


def by_name(found: Estimates) -> dict[str, NDArray[np.float64]]:
    """Return estimates by the names of their metrics, each (n,)."""
    return {ACCURACY: found.percent, ACCURACY_LOW: found.low, ACCURACY_HIGH: found.high, ACCURACY_BEYOND: found.beyond}
