"""What a search is told of its surroundings, and what it tells when it has ended."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from mvt_nas.errors import MetricError
from mvt_nas.nas.problem.repair import RepairStats
from mvt_nas.nas.problem.stopping_rule import Reason
from mvt_nas.nas.runners.base import RUNNERS, Resources, Runner
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run

Listener = Callable[[Run, Candidate], None]


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """How a search is carried out; nothing of it changes what is found, but for where the minutes end it.

    Attributes:
        resources: for evaluations.
        runner: name of what evaluates; ``None`` for ``ray`` where there is an address of a cluster,
            and else ``local``.
        cache: whether the cache of evaluations is used.
        until_s: the reading of ``time.monotonic`` after which no further batch is begun.
        listener: is told the run and each new candidate.
    """

    resources: Resources = field(default_factory=Resources)
    runner: str | None = None
    cache: bool = True
    until_s: float = math.inf
    listener: Listener | None = None

    def check(self) -> None:
        """Check what can be known to be wrong before a search begins.

        Raises:
            MvtNasError: something is.
        """
        RUNNERS.get(self._name).check(self.resources)

    def make_runner(self, most: int) -> Runner:
        """Return the runner, for at most so many evaluations at a time.

        Raises:
            RunError: it cannot be started.
        """
        workers = self.resources.workers
        return RUNNERS.get(self._name).make(
            replace(self.resources, workers=workers if workers is None else min(workers, most))
        )

    @property
    def _name(self) -> str:
        return self.runner or ("local" if self.resources.address is None else "ray")

    def tell(self, run: Run, candidate: Candidate) -> None:
        """Pass a new candidate on."""
        if self.listener is not None:
            self.listener(run, candidate)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """How a search ended.

    Attributes:
        run: with all its candidates.
        reason: why it ended.
        replaced: how many of this process's proposals were infeasible or known, and gave way to
            others.
        cached: how many of this process's candidates were in the cache of evaluations.
        about: what the proposals rested on, in words, where the sampler says so.
    """

    run: Run
    reason: Reason
    replaced: RepairStats = field(default_factory=RepairStats)
    cached: int = 0
    about: str = ""

    @property
    def exhausted(self) -> bool:
        """Whether the space had nothing left before the trials were done."""
        return self.reason == "exhausted"

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended it."""
        return self.reason == "interrupted"


def deadline_s(minutes: float | None) -> float:
    """Return the reading of ``time.monotonic`` when some minutes from now are over; infinite without any.

    Raises:
        MetricError: they are not above 0.
    """
    if minutes is None:
        return math.inf
    if (
        isinstance(minutes, bool)
        or not isinstance(minutes, int | float)
        or not 0 < minutes < math.inf
    ):
        raise MetricError(f"--minutes {minutes} is not allowed; a number above 0")
    return time.monotonic() + 60 * minutes
