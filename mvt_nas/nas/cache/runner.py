"""A runner that looks into the cache of evaluations first, and gives another runner what is missing.

What it yields is what the other would have yielded, but for the seconds, which are those that the
evaluation took when it was made. Nothing of a failed evaluation is kept. Where a part of a
candidate's metrics is found and the rest fails, the candidate is evaluated once more, whole: how it
fails may depend on what is evaluated with it.
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
    """What is known of a task: its keys and what was found, both by metric."""

    task: EvaluationTask
    keys: Mapping[str, str]
    found: Mapping[str, CacheEntry]

    @property
    def rest(self) -> EvaluationTask:
        """The task without what was found."""
        return replace(
            self.task, metrics=tuple(name for name in self.task.metrics if name not in self.found)
        )

    def completed(self, rest: Outcome) -> Outcome:
        """Return the outcome of the task, given that of its rest; scores stand as an evaluation gives them, trainings last."""
        scores = {name: entry.value for name, entry in self.found.items()} | dict(rest.scores)
        order = sorted(scores, key=lambda name: (name == TRAINED, self.task.metrics.index(name)))
        seconds = sum(entry.seconds for entry in self.found.values()) + rest.seconds
        return Outcome(rest.number, {name: scores[name] for name in order}, None, seconds)

    def entries(self, outcome: Outcome) -> list[CacheEntry]:
        """Return what is to be kept of the outcome of the rest."""
        return [
            CacheEntry(self.keys[name], name, value, outcome.shares.get(name, 0.0))
            for name, value in outcome.scores.items()
        ]


class CachedRunner:
    """Evaluates only what no search has evaluated before.

    Args:
        cache: what is kept; closed with the runner.
        make: makes the other runner, once something is missing.

    Attributes:
        found: candidates of which nothing had to be evaluated.
    """

    def __init__(self, cache: EvaluationCache, make: Callable[[], Runner]) -> None:
        self.found = 0
        self._cache = cache
        self._make = make
        self._keys = CacheKeys()
        self._inner: Runner | None = None

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcome of each task; those in the cache in their places by number."""
        plans = {plan.task.number: plan for plan in self._plans(tasks)}
        rests = {number: rest for number, plan in plans.items() if (rest := plan.rest).metrics}
        ready = deque(sorted(plans.keys() - rests.keys()))
        again: list[EvaluationTask] = []
        for outcome in self._evaluated(list(rests.values())):
            while ready and ready[0] < outcome.number:
                yield self._ready(plans[ready.popleft()])
            plan = plans[outcome.number]
            if outcome.error is None:
                self._cache.keep(plan.entries(outcome))
                yield plan.completed(outcome) if plan.found else outcome
            elif plan.found:
                again.append(plan.task)
            else:
                yield outcome
        while ready:
            yield self._ready(plans[ready.popleft()])
        yield from self._evaluated(again)

    def close(self) -> None:
        """Let the other runner and the cache go."""
        if self._inner is not None:
            self._inner.close()
        self._cache.close()

    def _plans(self, tasks: Sequence[EvaluationTask]) -> list[_CacheLookup]:
        keys = [self._keys.of(task) for task in tasks]
        kept = self._cache.find([key for of_task in keys for key in of_task.values()])
        found = [
            {name: kept[key] for name, key in of_task.items() if key in kept} for of_task in keys
        ]
        return [_CacheLookup(*parts) for parts in zip(tasks, keys, found, strict=True)]

    def _ready(self, plan: _CacheLookup) -> Outcome:
        self.found += 1
        return plan.completed(Outcome(plan.task.number, {}, None, 0.0))

    def _evaluated(self, tasks: list[EvaluationTask]) -> Iterator[Outcome]:
        if tasks:
            self._inner = self._inner or self._make()
            yield from self._inner.run(tasks)
