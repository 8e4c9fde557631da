"""How a search is executed, and its result."""

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
"""Callback with the run and each new candidate."""


@dataclass(frozen=True, slots=True)
class ExecutionOptions:
    """How a search is executed.

    Results do not depend on it, except that a time limit may end the search earlier.

    Attributes:
        resources: Resources for evaluations.
        runner: Name of the runner; ``None`` for ``ray`` if there is the address of a cluster, else
            ``local``.
        cache: Whether the cache of evaluations is used.
        until_s: Reading of ``time.monotonic`` after which no further batch is started.
        listener: Callback with the run and each new candidate.
    """

    resources: Resources = field(default_factory=Resources)
    runner: str | None = None
    cache: bool = True
    until_s: float = math.inf
    listener: Listener | None = None

    def check(self) -> None:
        """Check what can be known to be wrong before a search starts.

        Raises:
            MvtNasError: The runner cannot use the resources.
        """
        RUNNERS.get(self._name).check(self.resources)

    def make_runner(self, most: int) -> Runner:
        """Return the runner, for at most ``most`` parallel evaluations.

        Raises:
            RunError: The runner cannot be started.
        """
        resources = self.resources
        if resources.workers is not None:
            resources = replace(resources, workers=min(resources.workers, most))
        return RUNNERS.get(self._name).make(resources)

    @property
    def _name(self) -> str:
        return self.runner or ("local" if self.resources.address is None else "ray")

    def notify(self, run: Run, candidate: Candidate) -> None:
        """Pass a new candidate to the listener."""
        if self.listener is not None:
            self.listener(run, candidate)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of a search.

    Attributes:
        run: The run with all its candidates.
        reason: Why the search ended.
        replaced: Numbers of this process's proposals that were replaced because they were
            infeasible or known.
        cached: Number of this process's candidates that were in the cache of evaluations.
        about: Description of the models behind the proposals, if the sampler gives one.
    """

    run: Run
    reason: Reason
    replaced: RepairStats = field(default_factory=RepairStats)
    cached: int = 0
    about: str = ""

    @property
    def exhausted(self) -> bool:
        """Whether the space was exhausted before the trials were done."""
        return self.reason == "exhausted"

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C ended the search."""
        return self.reason == "interrupted"


def deadline_s(minutes: float | None) -> float:
    """Return the reading of ``time.monotonic`` some minutes from now; infinite for ``None``.

    Raises:
        MetricError: The minutes are not a number above 0.
    """
    if minutes is None:
        return math.inf
    is_number = isinstance(minutes, int | float) and not isinstance(minutes, bool)
    if not is_number or not 0 < minutes < math.inf:
        raise MetricError(f"{minutes} is not allowed; a number above 0", parameter="minutes")
    return time.monotonic() + 60 * minutes
