"""A finished run whose front and scores are computed once."""

from __future__ import annotations

from dataclasses import fields
from functools import cached_property

from mvt_nas._typing import FloatArray
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run


class CachedRun(Run):
    """A run that caches its complete candidates, their scores, its front and its knee.

    Each section of a report needs them, and computing the front of 100,000 candidates takes
    seconds. The candidates must not change.
    """

    def complete(self) -> list[Candidate]:
        """Return the complete candidates in order of their numbers."""
        return list(self._complete)

    def scores(self, candidates: list[Candidate]) -> FloatArray:
        """Return the objectives of candidates, (n, objectives)."""
        return self._scores.copy() if candidates == self._complete else super().scores(candidates)

    def front(self) -> list[Candidate]:
        """Return the non-dominated candidates, best in the first objective first; ties stay."""
        return list(self._front)

    def knee(self) -> int | None:
        """Return the number of the candidate at the knee; ``None`` if nothing is complete."""
        return self._knee

    @cached_property
    def _complete(self) -> list[Candidate]:
        return super().complete()

    @cached_property
    def _scores(self) -> FloatArray:
        return super().scores(self._complete)

    @cached_property
    def _front(self) -> list[Candidate]:
        return super().front()

    @cached_property
    def _knee(self) -> int | None:
        return super().knee()


def cached_run(run: Run) -> Run:
    """Return a cached copy of a finished run."""
    return CachedRun(*(getattr(run, field.name) for field in fields(Run)))
