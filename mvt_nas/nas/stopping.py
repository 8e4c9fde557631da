"""Whether a search has ended by itself: its trials are done, its space is exhausted, or its front has stalled.

A front has stalled when, within a number of candidates, the volume that it dominates has grown by
no more than 0.1 % (in the box of ``progress_curve.py``). That is decided after whole batches, from
the candidates alone in order of their numbers: so a search that ends by it is the same whoever
evaluated it and however often it was interrupted, and it begins as the search without the rule.
Like the number of trials, the rule may change when a search goes on; nothing but the rule itself
need be kept.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.stopping_rule import Reason
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.hypervolume_history import (
    HypervolumeBox,
    costs_of,
    reference_as_cost,
)
from mvt_nas.nas.runs.store import StoreContent
from mvt_nas.pareto import pareto_front

GROWTH = 0.001
"""A front that has grown by no more than this share has stalled."""


def stopping_reason(config: RunConfig, content: StoreContent) -> Reason | None:
    """Return why the search in a store has ended; ``None`` where it goes on."""
    if content.finished >= config.trials:
        return "trials"
    if content.exhausted:
        return "exhausted"
    return "stalled" if _stalled(config, content) else None


class NoImprovement:
    """Follows the candidates of a run, and says when its front has stalled.

    Args:
        config: of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._now, self._then = _Front(config), _Front(config)
        self._best = np.full(len(config.objectives), np.inf)
        self._worst = -self._best

    def holds(self, candidates: Mapping[int, Candidate], number: int) -> bool:
        """Return whether the front of the candidates below a number has stalled; numbers have to rise from call to call.

        Where no candidate dominates anything there is no front yet, and the search goes on.
        """
        within = self._config.stop_when.stalled
        if within is None or number < within:
            return False
        new = self._now.advance(candidates, number)
        self._then.advance(candidates, number - within)
        self._best = np.minimum(self._best, new.min(axis=0, initial=np.inf))
        self._worst = np.maximum(self._worst, new.max(axis=0, initial=-np.inf))
        if not len(self._now.costs):
            return False
        box = HypervolumeBox.around(self._best, self._worst, reference_as_cost(self._config))
        now = box.share(self._now.costs)
        return 0.0 < now <= (1.0 + GROWTH) * box.share(self._then.costs)


class _Front:
    """The front of the first candidates of a run."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._number = 0
        self.costs: FloatArray = np.zeros((0, len(config.objectives)))

    def advance(self, candidates: Mapping[int, Candidate], number: int) -> FloatArray:
        """Take in the candidates up to a number; return the costs of those that are complete, (n, m)."""
        new = costs_of(self._config, (candidates[n] for n in range(self._number, number)))
        new = new[np.isfinite(new).all(axis=1)]
        both = np.vstack([self.costs, new])
        self.costs = both[pareto_front(both, ["min"] * both.shape[1])]
        self._number = number
        return new


def _stalled(config: RunConfig, content: StoreContent) -> bool:
    """Return whether the front has stalled after any of the whole batches."""
    stall, number = NoImprovement(config), 0
    while (
        config.stop_when.stalled
        and number in content.batches
        and content.batches[number].size == config.batch
    ):
        batch = range(number, number + config.batch)
        if any(n not in content.candidates for n in batch):
            return False  # damaged, of which the loop says more
        number = batch.stop
        if stall.holds(content.candidates, number):
            return True
    return False
