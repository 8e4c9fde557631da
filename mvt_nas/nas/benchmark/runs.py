"""Searches of benchmark problems: the real search loop with free evaluations."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mvt_nas.nas.benchmark.problem import BenchmarkProblem
from mvt_nas.nas.loop import Loop
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome
from mvt_nas.nas.runs.store import Store
from mvt_nas.space.columns import Rows

CHECKPOINTS = (50, 100, 200, 400)
"""Numbers of evaluations after which a search is compared with the best front."""

SAMPLERS = ("mvt", "nsga2", "tpe", "random")
"""Samplers to compare."""

Listener = Callable[[str, int, float], None]
"""Callback for each finished search: sampler, seed, seconds."""


@dataclass(frozen=True, slots=True)
class BenchmarkSearch:
    """The result of one search.

    Attributes:
        shares: Hypervolume relative to the best one, by number of evaluations.
        seconds: Wall time of the search.
    """

    shares: dict[int, float]
    seconds: float


class _TruthRunner:
    """Evaluates by the problem's true values; the noise depends on architecture and seed only."""

    def __init__(self, problem: BenchmarkProblem, seed: int) -> None:
        self._problem = problem
        self._seed = seed

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        if not tasks:
            return
        space = self._problem.feasibility.space
        values = self._problem.truth(np.stack([space.encode(task.architecture) for task in tasks]))
        for task, value in zip(tasks, values, strict=True):
            rng = np.random.default_rng([self._seed, zlib.crc32(task.architecture.key.encode())])
            score = float(value) + self._problem.noise_sd * float(rng.standard_normal())
            yield Outcome(task.number, {self._problem.costly: score}, None, 0.0)

    def close(self) -> None:
        """Do nothing: there are no workers."""


def search_problem(problem: BenchmarkProblem, sampler: str, seed: int, trials: int) -> Rows:
    """Run a search, and return the evaluated rows in order, (trials, dimensions)."""
    space = problem.feasibility.space
    config = RunConfig(
        space=space.document,
        space_hash=space.hash,
        objectives=problem.objectives,
        budgets=(),
        trials=trials,
        sampler=sampler,
        seed=seed,
        warm_start=False,
    )
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Store(Path(folder))) as store:
        Loop(
            config, problem.feasibility, store, _TruthRunner(problem, seed), lambda candidate: None
        ).run()
        candidates = store.content.candidates
        return np.array([candidates[number].row for number in sorted(candidates)], dtype=np.int32)


def searched(problem: BenchmarkProblem, sampler: str, seed: int, trials: int) -> BenchmarkSearch:
    """Run a search, and return its result."""
    start = time.perf_counter()
    rows = search_problem(problem, sampler, seed, trials)
    seconds = time.perf_counter() - start
    return BenchmarkSearch(
        {n: problem.share(rows[:n]) for n in CHECKPOINTS if n <= trials}, seconds
    )


def medians(runs: Sequence[BenchmarkSearch]) -> dict[str, float]:
    """Return the median share by number of evaluations (as text)."""
    return {
        str(n): round(statistics.median(run.shares[n] for run in runs), 5) for n in runs[0].shares
    }


def compared(
    problem: BenchmarkProblem, samplers: Sequence[str], seeds: int, trials: int, listener: Listener
) -> dict[str, list[BenchmarkSearch]]:
    """Run searches with each sampler, one per seed, and return their results by sampler."""
    result: dict[str, list[BenchmarkSearch]] = {}
    for sampler in samplers:
        for seed in range(seeds):
            run = searched(problem, sampler, seed, trials)
            result.setdefault(sampler, []).append(run)
            listener(sampler, seed, run.seconds)
    return result
