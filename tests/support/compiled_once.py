"""Search spaces that are compiled once for all tests of a process.

Compiling a large space takes seconds. A compiled space is never changed, so tests may share it;
those of the compilation itself build a ``CostTable``.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

import pytest

from mvt_nas.accuracy import design, predicted
from mvt_nas.accuracy.features import FeatureTable
from mvt_nas.accuracy.predicted import PredictedAccuracy
from mvt_nas.nas.problem.accuracy_model import AccuracyModel
from mvt_nas.nas.problem.inputs import SearchInputs
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.space.search_space import SearchSpace

_T = TypeVar("_T")


class _Latest(Generic[_T]):
    """The latest values by key: each may take a hundred megabytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[tuple[object, ...], _T] = OrderedDict()

    def get(self, key: tuple[object, ...], make: Callable[[], _T]) -> _T:
        if key not in self._values:
            self._values[key] = make()
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return self._values[key]


def compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let searches with equal spaces and inputs share what they compile."""
    predictors_anew, accuracy_anew = SearchInputs.predictors, AccuracyModel.in_space
    costs, accuracies = _Latest[Predictors](6), _Latest[PredictedAccuracy](6)
    features = _Latest[FeatureTable](64)  # a table for each choice of strides

    def predictors(self: SearchInputs, space: SearchSpace, num_classes: int) -> Predictors:
        bare = replace(self, accuracy=None)
        recorded = json.dumps(bare.recorded(), sort_keys=True, default=str)
        key = (space.hash, space.where, recorded, num_classes)
        known = costs.get(key, lambda: predictors_anew(bare, space, num_classes))
        if self.accuracy is None:
            return known
        tables = dict(known._tables)
        return Predictors(tables.pop(None), self.accuracy.in_space(space), tables)

    def in_space(self: AccuracyModel, space: SearchSpace) -> PredictedAccuracy:
        key = (space.hash, space.where, self.hash, repr(self.quality))
        return accuracies.get(key, lambda: accuracy_anew(self, space))

    def feature_table(space: SearchSpace, *, num_classes: int) -> FeatureTable:
        # A space with overrides keeps its hash: its plan tells it apart.
        key = (space.hash, space.where, repr(space.plan.nodes), num_classes)
        return features.get(key, lambda: FeatureTable(space, num_classes=num_classes))

    for module in (design, predicted):
        monkeypatch.setattr(module, "FeatureTable", feature_table)
    monkeypatch.setattr(SearchInputs, "predictors", predictors)
    monkeypatch.setattr(AccuracyModel, "in_space", in_space)
