"""What the candidates of a run amount to, kept up as they come: counts, failures with their reasons, the front, its hypervolume."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.hypervolume_history import costs_of
from mvt_nas.nas.runs.incremental_hypervolume import IncrementalFront
from mvt_nas.pareto import knee
from mvt_nas.report.watch.hypervolume import HypervolumeCurve

_PARTS = 100  # in which many new candidates are taken in: so many points of the curve


class RunCounters:
    """Takes in candidates; what was taken in before is not looked at again, but for the front.

    Args:
        config: of the run.

    Attributes:
        done: number of candidates.
        counts: of candidates by status.
        reasons: number of failures by reason.
        seconds: that all evaluations took.
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
        """Take in candidates, in the order in which they finished."""
        size = -(-len(candidates) // _PARTS)
        for start in range(0, len(candidates), size or 1):
            self._add(candidates[start : start + size])

    @property
    def curve(self) -> tuple[tuple[int, float], ...]:
        """Number of candidates and their hypervolume, as it grew."""
        return tuple(self._curve.points)

    @property
    def front(self) -> list[Candidate]:
        """The front, best in the first objective first, as :meth:`mvt_nas.nas.runs.run.Run.front` has it."""
        order = sorted(
            range(len(self._front)),
            key=lambda index: (self._incremental_front.costs[index, 0], self._front[index].number),
        )
        return [self._front[index] for index in order]

    @property
    def knee(self) -> int | None:
        """The number of the candidate at the knee of the front; ``None`` where nothing is complete."""
        front = sorted(range(len(self._front)), key=lambda index: self._front[index].number)
        index = knee(self._incremental_front.costs[front], self._directions)
        return None if index is None else self._front[front[index]].number

    def hypervolume(self, *, exact: bool) -> float:
        """Return the hypervolume of the front, or what it was a little while ago where it need not be exact."""
        self._curve.look(self.done, self._incremental_front.hypervolume, exact=exact)
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
        self._curve.look(self.done, self._incremental_front.hypervolume)
