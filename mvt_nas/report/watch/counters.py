"""Counts, failures, front and hypervolume of a run, updated as candidates arrive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.hypervolume_history import costs_of
from mvt_nas.nas.runs.incremental_hypervolume import IncrementalFront
from mvt_nas.pareto import knee
from mvt_nas.report.watch.hypervolume import HypervolumeCurve

# Parts in which many new candidates are added: the curve has a point for each.
_PARTS = 100


class RunCounters:
    """Incremental counters of a run; of earlier candidates only the front is kept.

    Args:
        config: Configuration of the run.

    Attributes:
        done: Number of candidates.
        counts: Number of candidates by status.
        reasons: Number of failures by reason.
        seconds: Total time of all evaluations, in seconds.
    """

    def __init__(self, config: RunConfig) -> None:
        self.done = 0
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.seconds = 0.0
        self._config = config
        self._directions = ["min"] * len(config.objectives)
        self._front: list[Candidate] = []
        self._incremental_front = IncrementalFront(config)
        self._curve = HypervolumeCurve()

    def add(self, candidates: Sequence[Candidate]) -> None:
        """Add candidates, in the order in which they finished."""
        # Rounded up, so that there are at most _PARTS parts.
        size = -(-len(candidates) // _PARTS)
        for start in range(0, len(candidates), size or 1):
            self._add(candidates[start : start + size])

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        """Number of candidates and their hypervolume, as it grew."""
        return tuple(self._curve.points)

    @property
    def front(self) -> list[Candidate]:
        """The front, best in the first objective first, as in :meth:`mvt_nas.Run.front`."""
        order = sorted(
            range(len(self._front)),
            key=lambda index: (self._incremental_front.costs[index, 0], self._front[index].number),
        )
        return [self._front[index] for index in order]

    @property
    def knee(self) -> int | None:
        """The number of the candidate at the knee; ``None`` if nothing is complete."""
        front = sorted(range(len(self._front)), key=lambda index: self._front[index].number)
        index = knee(self._incremental_front.costs[front], self._directions)
        return None if index is None else self._front[front[index]].number

    def hypervolume(self, *, exact: bool) -> float:
        """Return the hypervolume of the front, of a moment ago unless it has to be ``exact``."""
        self._curve.update(self.done, self._incremental_front.hypervolume, exact=exact)
        return self._curve.points[-1][1]

    def _add(self, candidates: Sequence[Candidate]) -> None:
        self.done += len(candidates)
        for candidate in candidates:
            self.counts[candidate.status] += 1
            self.seconds += candidate.seconds
            if candidate.status == "failed":
                self.reasons[" ".join((candidate.error or "no reason was written").split())] += 1
        complete = [candidate for candidate in candidates if candidate.status == "complete"]
        if complete:
            kept = self._incremental_front.add(costs_of(self._config, complete))
            self._front = [
                c for c, stays in zip([*self._front, *complete], kept, strict=True) if stays
            ]
        self._curve.update(self.done, self._incremental_front.hypervolume)
