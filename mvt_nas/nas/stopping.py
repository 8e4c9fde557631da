"""End of a search: trials are done, the space is exhausted, or the front has stalled.

A front has stalled when, within a number of candidates, the volume that it dominates has grown by
no more than 0.1 % (in the box of ``hypervolume_history.py``). That is decided after whole batches
and from the candidates in the order of their numbers. So the end of a search does not depend on
workers and interruptions, and until then it equals the search without the rule. Like the number of
trials, the rule may change when a search is resumed; only the rule itself is stored.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.stopping_rule import Reason
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.hypervolume_history import HypervolumeBox, reference_as_cost
from mvt_nas.nas.runs.incremental_hypervolume import IncrementalFront
from mvt_nas.nas.runs.store import StoreContent

GROWTH = 0.001
"""Largest relative growth of the dominated volume of a front that has stalled."""


def stopping_reason(config: RunConfig, content: StoreContent) -> Reason | None:
    """Return the reason why the search in a store has ended, or None if it has not."""
    if content.finished >= config.trials:
        return "trials"
    if content.exhausted:
        return "exhausted"
    return "stalled" if _stalled(config, content) else None


class NoImprovement:
    """Detects that the front of a run has stalled.

    Args:
        config: Configuration of the run.
    """

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        # The front of the candidates so far, and that of the window's begin.
        self._current = IncrementalFront(config)
        self._current_count = 0
        self._earlier = IncrementalFront(config)
        self._earlier_count = 0
        self._best = np.full(len(config.objectives), np.inf)
        self._worst = -self._best

    def holds(self, candidates: Mapping[int, Candidate], number: int) -> bool:
        """Return True if the front of the candidates below a number has stalled.

        Numbers must increase from call to call. Where no candidate dominates anything there is no
        front yet, and the search continues.
        """
        window = self._config.stop_when.stalled
        if window is None or number < window:
            return False
        start = number - window
        new = self._current.add_candidates(
            candidates[n] for n in range(self._current_count, number)
        )
        self._current_count = number
        self._earlier.add_candidates(candidates[n] for n in range(self._earlier_count, start))
        self._earlier_count = start
        self._best = np.minimum(self._best, new.min(axis=0, initial=np.inf))
        self._worst = np.maximum(self._worst, new.max(axis=0, initial=-np.inf))
        if not len(self._current.costs):
            return False
        box = HypervolumeBox.around(self._best, self._worst, reference_as_cost(self._config))
        share = box.share(self._current.costs)
        return 0.0 < share <= (1.0 + GROWTH) * box.share(self._earlier.costs)


def _stalled(config: RunConfig, content: StoreContent) -> bool:
    """Return True if the front has stalled after any of the whole batches."""
    if not config.stop_when.stalled:
        return False
    rule = NoImprovement(config)
    number = 0
    while number in content.batches and content.batches[number].size == config.batch:
        batch = range(number, number + config.batch)
        if any(n not in content.candidates for n in batch):
            # The store is damaged; the search loop raises the error.
            return False
        number = batch.stop
        if rule.holds(content.candidates, number):
            return True
    return False
