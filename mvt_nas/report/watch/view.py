"""The state of a watched run as plain values."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.stopping_rule import Reason
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import candidates_with_rungs
from mvt_nas.nas.runs.store import StoreContent
from mvt_nas.nas.stopping import stopping_reason
from mvt_nas.report.watch.counters import RunCounters
from mvt_nas.report.watch.rate import Rate
from mvt_nas.report.watch.tail import RunTail, in_use

State = Literal["running", "ended", "left"]
"""``running``: a process works on the run; ``ended``: it has ended by itself; ``left``: it is
unfinished because of Ctrl-C, a time limit or a crash."""


@dataclass(frozen=True, slots=True)
class RungView:
    """Progress of the trainings on a rung.

    Attributes:
        epochs: Epochs of the rung.
        reached: Number of trainings that have reached the rung.
        of: Number of trainings that are promoted to the rung.
    """

    epochs: int
    reached: int
    of: int


@dataclass(frozen=True, slots=True)
class RunView:
    """A run at one moment.

    Attributes:
        folder: Folder of the run.
        config: Configuration of the run.
        state: Whether it is running.
        reason: Reason of its end, if it has ended.
        done: Number of candidates.
        counts: Number of candidates by status.
        reasons: Number of failures by reason, the most frequent first.
        front: Candidates on the front, the best in the first objective first.
        knee: Number of the candidate at the knee of the front.
        hypervolume: Hypervolume of the front from the run's reference point; a moment old while a
            run with many objectives is running.
        curve: Numbers of candidates, ascending, and their hypervolumes.
        evaluation_s: Mean duration of an evaluation, in seconds.
        per_second: Candidates, or trainings on the rungs, that finish per second; ``None`` while
            that is not known yet.
        rungs: Rungs above the first, from low to high, if trainings are promoted.
    """

    folder: Path
    config: RunConfig
    state: State
    reason: Reason | None
    done: int
    counts: Mapping[str, int]
    reasons: tuple[tuple[str, int], ...]
    front: tuple[Candidate, ...]
    knee: int | None
    hypervolume: float
    curve: tuple[tuple[int, float], ...]
    evaluation_s: float
    per_second: float | None
    rungs: tuple[RungView, ...]

    @property
    def left_s(self) -> float | None:
        """Seconds until the trials are done, at the present rate; ``None`` if unknown."""
        if self.state != "running" or self.rungs or not self.per_second:
            return None
        return max(self.config.trials - self.done, 0) / self.per_second

    @property
    def last_growth(self) -> int | None:
        """The number of the last candidate that joined the front; ``None`` without a front."""
        return max((candidate.number for candidate in self.front), default=None)


class RunWatcher:
    """Provides views of a run while it grows.

    Args:
        folder: Folder of the run.

    Raises:
        RunError: There is no run, or it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._tail = RunTail(folder)
        self._counters = RunCounters(self._tail.config)
        self._rate = Rate()

    def look(self) -> RunView:
        """Return the run as it is now.

        Raises:
            RunError: The run was deleted, or is damaged.
        """
        # Before reading: a search that ends in between has written everything.
        held = in_use(self._tail.folder)
        update = self._tail.read()
        config, content = self._tail.config, self._tail.content
        if update.restarted:
            self._counters = RunCounters(config)
            self._rate = Rate()
        if _has_rungs(config):
            # The results of the candidates change, and there are few.
            if update.restarted or update.records:
                self._counters = RunCounters(config)
                self._counters.add(list(candidates_with_rungs(config, content).values()))
        else:
            self._counters.add(update.candidates)
        self._rate.update(time.monotonic(), len(content.candidates) + len(content.results))
        return self._view(*_state(config, content, held))

    def _view(self, state: State, reason: Reason | None) -> RunView:
        config, content = self._tail.config, self._tail.content
        counters = self._counters
        return RunView(
            folder=self._tail.folder,
            config=config,
            state=state,
            reason=reason,
            done=counters.done,
            counts=dict(counters.counts),
            reasons=tuple(counters.reasons.most_common()),
            front=tuple(counters.front),
            knee=counters.knee,
            hypervolume=counters.hypervolume(exact=state != "running"),
            curve=counters.curve,
            evaluation_s=counters.seconds / max(counters.done, 1),
            per_second=self._rate.per_second(),
            rungs=tuple(_rungs(config, content)),
        )


def _has_rungs(config: RunConfig) -> bool:
    return config.training is not None and bool(config.training.rungs)


def _has_promotions(config: RunConfig, content: StoreContent) -> bool:
    """Return True if trainings are still to be promoted to higher rungs."""
    if not _has_rungs(config):
        return False
    # Loads SciPy, which takes seconds.
    from mvt_nas.nas.multi_fidelity.successive_halving import candidates_to_promote

    return candidates_to_promote(config, content)


def _state(config: RunConfig, content: StoreContent, held: bool) -> tuple[State, Reason | None]:
    """Return the state of a run, and why it has ended; ``held``: whether a process works on it."""
    if _has_promotions(config, content):
        return ("running" if held else "left"), None
    # A process that still works on a finished run measures its front.
    if content.finished >= config.trials:
        return "ended", "trials"
    if held:
        return "running", None
    reason = stopping_reason(config, content)
    return ("left" if reason is None else "ended"), reason


def _rungs(config: RunConfig, content: StoreContent) -> list[RungView]:
    """Return the progress on each rung; empty before the first promotion."""
    training = config.training
    done = len(content.candidates)
    if training is None or not any(of == done for of, _ in content.rungs):
        return []
    views: list[RungView] = []
    members = sum(candidate.scored for candidate in content.candidates.values())
    for epochs in (*training.rungs[1:], training.protocol.epochs):
        rung = content.rungs.get((done, epochs))
        reached = [
            content.results[n, epochs]
            for n in (rung.numbers if rung else ())
            if (n, epochs) in content.results
        ]
        of = min(math.ceil(training.keep * members), members)
        views.append(RungView(epochs, len(reached), of))
        members = of - sum(one.accuracy is None for one in reached)
    return views
