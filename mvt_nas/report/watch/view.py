"""All that a view of a run shows, as plain values."""

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
"""A process works on the run, it has ended by itself, or it was left unfinished: by Ctrl-C, by its
minutes, or by a crash."""


@dataclass(frozen=True, slots=True)
class RungView:
    """How far trainings are on a rung.

    Attributes:
        epochs: of the rung.
        reached: how many trainings came there.
        of: how many are to come there.
    """

    epochs: int
    reached: int
    of: int


@dataclass(frozen=True, slots=True)
class RunView:
    """A run at one moment.

    Attributes:
        folder: of the run.
        config: what it does.
        state: whether it goes on.
        reason: why it has ended, if it has.
        done: number of candidates.
        counts: of candidates by status.
        reasons: number of failures by reason, the most frequent first.
        front: best in the first objective first.
        knee: the number of the candidate at its knee.
        hypervolume: of the front, from the run's reference point; a moment old while a run with
            many objectives goes on.
        curve: number of candidates and their hypervolume, as it grew.
        evaluation_s: seconds that an evaluation took on average.
        per_second: candidates, or trainings on the rungs, that finish in a second; ``None`` before
            that can be said.
        rungs: above the first, from low to high, where trainings climb them.
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
        """Seconds until the trials are done, at the present rate; ``None`` where that cannot be said."""
        if self.state != "running" or self.rungs or not self.per_second:
            return None
        return max(self.config.trials - self.done, 0) / self.per_second

    @property
    def last_growth(self) -> int | None:
        """The number of the last candidate that came onto the front; ``None`` without a front."""
        return max((candidate.number for candidate in self.front), default=None)


class RunWatcher:
    """Looks at a run again and again.

    Args:
        folder: of the run.

    Raises:
        RunError: no run there, or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        self._follower = RunTail(folder)
        self._tally = RunCounters(self._follower.config)
        self._pace = Rate()

    def look(self) -> RunView:
        """Return the run as it is now.

        Raises:
            RunError: the run is gone, or damaged.
        """
        held = in_use(
            self._follower.folder
        )  # before reading: a search that ends in between has written all
        news = self._follower.look()
        config, content = self._follower.config, self._follower.content
        if news.anew:
            self._tally, self._pace = RunCounters(config), Rate()
        if _has_rungs(config):
            if news.anew or news.records:  # what is known of a candidate changes, and there are few
                self._tally = RunCounters(config)
                self._tally.add(list(candidates_with_rungs(config, content).values()))
        else:
            self._tally.add(news.candidates)
        self._pace.tell(time.monotonic(), len(content.candidates) + len(content.results))
        return self._view(*_state(config, content, held))

    def _view(self, state: State, reason: Reason | None) -> RunView:
        config, content, tally = self._follower.config, self._follower.content, self._tally
        return RunView(
            folder=self._follower.folder,
            config=config,
            state=state,
            reason=reason,
            done=tally.done,
            counts=dict(tally.counts),
            reasons=tuple(tally.reasons.most_common()),
            front=tuple(tally.front),
            knee=tally.knee,
            hypervolume=tally.hypervolume(exact=state != "running"),
            curve=tally.curve,
            evaluation_s=tally.seconds / max(tally.done, 1),
            per_second=self._pace.per_second(),
            rungs=tuple(_rungs(config, content)),
        )


def _has_rungs(config: RunConfig) -> bool:
    return config.training is not None and bool(config.training.rungs)


def _climbs(config: RunConfig, content: StoreContent) -> bool:
    """Return whether trainings are still to be brought up the rungs."""
    if not _has_rungs(config):
        return False
    # imports SciPy, for seconds
    from mvt_nas.nas.multi_fidelity.successive_halving import (
        candidates_to_promote,
    )

    return candidates_to_promote(config, content)


def _state(config: RunConfig, content: StoreContent, held: bool) -> tuple[State, Reason | None]:
    """Return whether a run goes on, and if not, why; ``held`` says whether a process works on it."""
    if _climbs(config, content):
        return ("running" if held else "left"), None
    if content.finished >= config.trials:  # whoever holds it still is measuring the front
        return "ended", "trials"
    if held:
        return "running", None
    reason = stopping_reason(config, content)
    return ("left" if reason is None else "ended"), reason


def _rungs(config: RunConfig, content: StoreContent) -> list[RungView]:
    """Return how far a climb is; nothing before it has begun."""
    training, done = config.training, len(content.candidates)
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
