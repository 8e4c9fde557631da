"""The hypervolume of a run while it grows: from its front so far and what has come since, not from all that was ever dominated."""

from __future__ import annotations

import time

import numpy as np

from mvt_nas._typing import FloatArray
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.pareto import hypervolume, pareto_front

_REST = 20.0
"""So many times as long as the last look took, there is no other: many objectives make it slow."""


class IncrementalHypervolume:
    """Is told candidates as they come; to be asked now and then."""

    def __init__(self) -> None:
        self._front: FloatArray | None = None
        self._new: list[Candidate] = []
        self._volume = 0.0
        self._next_s = 0.0

    def add(self, candidate: Candidate) -> None:
        """Take note of a candidate."""
        if candidate.status == "complete":
            self._new.append(candidate)

    def hypervolume(self, run: Run, *, exact: bool = False) -> float:
        """Return the hypervolume of the candidates of a run that were told, or of what was there a little while ago.

        Args:
            run: to which they belong.
            exact: look at all of them, however long it takes.
        """
        start = time.monotonic()
        if exact or start >= self._next_s:
            self._look(run)
            end = time.monotonic()
            self._next_s = end + _REST * (end - start)
        return self._volume

    def _look(self, run: Run) -> None:
        scores, self._new = run.scores(self._new), []
        scores = scores if self._front is None else np.vstack([self._front, scores])
        self._front = scores[pareto_front(scores, run.directions)]
        reference = [run.config.reference[objective.name] for objective in run.config.objectives]
        self._volume = hypervolume(self._front, run.directions, reference)
