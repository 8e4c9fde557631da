"""A run that grows no more: its complete candidates, their scores, its front and its knee are found once, however often a page asks."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run


class CachedRun(Run):
    """A run whose candidates are not changed any more."""

    def complete(self) -> list[Candidate]:
        """Return the complete candidates in order of their numbers."""
        return list(self._complete)

    def scores(self, candidates: list[Candidate]) -> NDArray[np.float64]:
        """Return the objectives of candidates, (n, objectives)."""
        return self._scores.copy() if candidates == self._complete else super().scores(candidates)

    def front(self) -> list[Candidate]:
        """Return the non-dominated candidates, best in the first objective first; ties stay."""
        return list(self._front)

    def knee(self) -> int | None:
        """Return the number of the candidate at the knee of the front; ``None`` where nothing is complete."""
        return self._knee

    @cached_property
    def _complete(self) -> list[Candidate]:
        return super().complete()

    @cached_property
    def _scores(self) -> NDArray[np.float64]:
        return super().scores(self._complete)

    @cached_property
    def _front(self) -> list[Candidate]:
        return super().front()

    @cached_property
    def _knee(self) -> int | None:
        return super().knee()


def cached_run(run: Run) -> Run:
    """Return a run as it is now, for whoever asks it the same again and again."""
    return CachedRun(*(getattr(run, field.name) for field in fields(Run)))
