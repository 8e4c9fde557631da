"""A runner that reads evaluations from the cache, and evaluates the missing ones by another runner.

It yields the same outcomes as the other runner, except for the seconds, which are those of the
original evaluation. Failed evaluations are not cached. Where a part of a candidate's metrics is
cached and the rest fails, the candidate is evaluated again as a whole, because the failure may
depend on the metrics that are evaluated together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.cache.keys import CacheKeys
from mvt_nas.nas.cache.store import CacheEntry, EvaluationCache
from mvt_nas.nas.runners.base import Runner
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome


@dataclass(frozen=True, slots=True)
class _CacheLookup:
    """A task with its keys and its cached entries, both by metric."""

    task: EvaluationTask
    keys: Mapping[str, str]
    found: Mapping[str, CacheEntry]

    @property
    def rest(self) -> EvaluationTask:
        """The task without the cached metrics."""
        missing = tuple(name for name in self.task.metrics if name not in self.found)
        return replace(self.task, metrics=missing)

    def completed(self, rest: Outcome) -> Outcome:
        """Return the outcome of the task from the outcome of its rest.

        Scores are in the order of an evaluation: trained accuracy is last.
        """
        scores = {name: entry.value for name, entry in self.found.items()} | dict(rest.scores)
        order = sorted(scores, key=lambda name: (name == TRAINED, self.task.metrics.index(name)))
        seconds = sum(entry.seconds for entry in self.found.values()) + rest.seconds
        return Outcome(rest.number, {name: scores[name] for name in order}, None, seconds)

    def entries(self, outcome: Outcome) -> list[CacheEntry]:
        """Return the new cache entries from the outcome of the rest."""
        return [
            CacheEntry(self.keys[name], name, value, outcome.shares.get(name, 0.0))
            for name, value in outcome.scores.items()
        ]


class CachedRunner:
    """Evaluates only what no search has evaluated before.

    Args:
        cache: Cache; closed with the runner.
        make: Factory of the other runner, called when the first evaluation is missing.

    Attributes:
        found: Number of candidates that were cached completely.
    """

    def __init__(self, cache: EvaluationCache, make: Callable[[], Runner]) -> None:
        self.found = 0
        self._cache = cache
        self._make = make
        self._keys = CacheKeys()
        self._inner: Runner | None = None

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcome of each task; cached ones are between the others, by number."""
        lookups = {lookup.task.number: lookup for lookup in self._look_up(tasks)}
        rests = {number: lookup.rest for number, lookup in lookups.items() if lookup.rest.metrics}
        ready = deque(sorted(lookups.keys() - rests.keys()))
        again: list[EvaluationTask] = []
        for outcome in self._evaluated(list(rests.values())):
            while ready and ready[0] < outcome.number:
                yield self._cached(lookups[ready.popleft()])
            lookup = lookups[outcome.number]
            if outcome.error is None:
                self._cache.keep(lookup.entries(outcome))
                yield lookup.completed(outcome) if lookup.found else outcome
            elif lookup.found:
                again.append(lookup.task)
            else:
                yield outcome
        while ready:
            yield self._cached(lookups[ready.popleft()])
        yield from self._evaluated(again)

    def close(self) -> None:
        """Close the other runner and the cache."""
        if self._inner is not None:
            self._inner.close()
        self._cache.close()

    def _look_up(self, tasks: Sequence[EvaluationTask]) -> list[_CacheLookup]:
        keys = [self._keys.of(task) for task in tasks]
        kept = self._cache.find([key for of_task in keys for key in of_task.values()])
        found = [
            {name: kept[key] for name, key in of_task.items() if key in kept} for of_task in keys
        ]
        return [_CacheLookup(*parts) for parts in zip(tasks, keys, found, strict=True)]

    def _cached(self, lookup: _CacheLookup) -> Outcome:
        self.found += 1
        return lookup.completed(Outcome(lookup.task.number, {}, None, 0.0))

    def _evaluated(self, tasks: list[EvaluationTask]) -> Iterator[Outcome]:
        if tasks:
            self._inner = self._inner or self._make()
            yield from self._inner.run(tasks)
