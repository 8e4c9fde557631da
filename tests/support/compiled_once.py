"""Predictors of a space that are compiled once for all tests of a process.

Compiling a large space takes seconds. A compiled space is never changed, so tests may share it;
those of the compilation itself build a ``CostTable``.
"""

from __future__ import annotations

import json
from collections import OrderedDict

import pytest

from mvt_nas.nas.problem.inputs import SearchInputs
from mvt_nas.nas.problem.predictors import Predictors
from mvt_nas.space.search_space import SearchSpace

_MOST = 6
"""Number of compiled spaces that are kept; each may take a hundred megabytes."""


def compile_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let searches with equal spaces and inputs share their predictors."""
    compile_anew = SearchInputs.predictors
    kept: OrderedDict[tuple[object, ...], Predictors] = OrderedDict()

    def predictors(self: SearchInputs, space: SearchSpace, num_classes: int) -> Predictors:
        recorded = json.dumps(self.recorded(), sort_keys=True, default=str)
        quality = self.accuracy.quality if self.accuracy else None
        key = (space.hash, space.where, recorded, repr(quality), num_classes)
        if key not in kept:
            kept[key] = compile_anew(self, space, num_classes)
        kept.move_to_end(key)
        while len(kept) > _MOST:
            kept.popitem(last=False)
        return kept[key]

    monkeypatch.setattr(SearchInputs, "predictors", predictors)
