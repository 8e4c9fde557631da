"""Speed-up of two search workers over one, where an evaluation takes about two seconds.

Evaluations are real trainings on the digits that come with scikit-learn, on one thread each. The
first batch does not count: its workers start, import and read the images, which is a figure of its
own. The rate is taken from the end of the first batch to the end of the last; proposals, the store
and the wait for the slowest of each batch are included. Ratios are of equal searches that alternate
in the same process. The speed-up of two independent processes gives the limit of the machine. All
searches must find the same candidates and the same front, bit for bit.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks._figures import Figure, figure
from mvt_nas.nas.api import search
from mvt_nas.nas.request import TrainingImages
from mvt_nas.nas.runs.candidate import Candidate
from mvt_nas.nas.runs.run import Run
from mvt_nas.training.short_recipe import ShortRecipe

RUNNERS, WORKERS = ("local", "ray"), (1, 2)
BATCH, COUNTED = 12, 24
REPEATS = 2
PROTOCOL = ShortRecipe(
    pixels=32, train_images=1280, validation_images=320, epochs=3, batch_size=32, flip=False
)
BUDGETS = ("macs>=2M", "macs<=4M")
"""Budgets for evaluations of about the same duration: a batch ends with its slowest."""

_ALONE = """
import json, sys, time
from mvt_nas.nas.runners.evaluation import EvaluationTask, evaluate
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.runs.run import Run
run = Run.load(sys.argv[1])
metrics = ("trained_accuracy",)
task = EvaluationTask(0, run.architecture(0), metrics, Scoring(), 0, run.config.training)
times = []
for repeat in range(5):
    start = time.perf_counter()
    evaluated = evaluate(task)
    times.append(time.perf_counter() - start)
    assert evaluated.error is None, evaluated.error
print(json.dumps(times))
"""


@dataclass(frozen=True, slots=True)
class Searched:
    """Measurements of one search.

    Attributes:
        rate_hz: Candidates per second, without the first batch.
        starting_s: Additional seconds of the first batch, compared with the others.
        evaluation_s: Mean time of a worker for one candidate, in seconds.
        found: Results that must be the same in all searches.
    """

    rate_hz: float
    starting_s: float
    evaluation_s: float
    found: Any


def searched(runner: str, workers: int, folder: Path) -> Searched:
    """Search with some workers, and return the measurements."""
    ends: list[float] = []

    def listen(run: Run, candidate: Candidate) -> None:
        ends.append(time.perf_counter())

    start = time.perf_counter()
    run = search(
        "small_images",
        objectives=["trained_accuracy", "macs"],
        budgets=BUDGETS,
        trials=BATCH + COUNTED,
        batch=BATCH,
        runner=runner,
        workers=workers,
        warm_start=False,
        pictures=TrainingImages(protocol=PROTOCOL),
        cache=False,
        listener=listen,
        out=folder,
    ).run
    counted_s = ends[-1] - ends[BATCH - 1]
    seconds = [run.candidates[number].seconds for number in range(BATCH, BATCH + COUNTED)]
    starting_s = ends[BATCH - 1] - start - counted_s * BATCH / COUNTED
    return Searched(COUNTED / counted_s, starting_s, statistics.mean(seconds), _found(run))


def _found(run: Run) -> Any:
    candidates = [
        (c.number, c.key, c.row, c.status, c.scores) for _, c in sorted(run.candidates.items())
    ]
    return candidates, [candidate.number for candidate in run.front()], run.hypervolume()


def machine(run: Path) -> float:
    """Return the speed-up of two independent processes over one, with the trainings of a run."""
    alone = _trainings(run, 1)
    return 2 * alone / _trainings(run, 2)


def _trainings(run: Path, processes: int) -> float:
    """Return the median seconds of one training in a number of concurrent processes."""
    start = partial(
        subprocess.Popen,
        [sys.executable, "-c", _ALONE, str(run)],
        stdout=subprocess.PIPE,
        text=True,
    )
    # All of them start before the first is waited for.
    running = [start() for _ in range(processes)]
    times: list[float] = []
    for process in running:
        output, _ = process.communicate()
        # The first training of a process is a warm-up.
        times += json.loads(output)[1:]
    return statistics.median(times)


def run() -> list[Figure]:
    """Return rates, the ratios of two workers to one, and the times to start.

    Raises:
        RuntimeError: Two searches found different candidates.
    """
    kinds = list(product(RUNNERS, WORKERS))
    searches: dict[tuple[str, int], list[Searched]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(REPEATS):
            # The order alternates, so that a drift in the machine's speed favours no kind.
            for kind in kinds if repeat % 2 == 0 else reversed(kinds):
                out = Path(folder) / f"{kind[0]}-{kind[1]}-{repeat}"
                searches[kind].append(searched(*kind, out))
        limit = machine(out)
    _check_same([result for repeats in searches.values() for result in repeats])
    return [
        *_of_kinds(searches),
        *_ratios(searches),
        figure("two processes that share nothing / one", [limit], ""),
    ]


def _check_same(searches: list[Searched]) -> None:
    if any(result.found != searches[0].found for result in searches):
        raise RuntimeError("two searches with different workers found different candidates")


def _of_kinds(searches: dict[tuple[str, int], list[Searched]]) -> list[Figure]:
    figures = []
    for (runner, workers), repeats in searches.items():
        name = f"{runner}, {workers} worker{'s' if workers > 1 else ''}"
        evaluation_s = statistics.median(result.evaluation_s for result in repeats)
        note = f"{evaluation_s:.2f} s per candidate; the front equals all others bit for bit"
        rates = [result.rate_hz for result in repeats]
        starting = [result.starting_s for result in repeats]
        figures.append(figure(name, rates, "candidates/s", note))
        figures.append(figure(f"{name}, starting", starting, "s", "not in the rates"))
    return figures


def _ratios(searches: dict[tuple[str, int], list[Searched]]) -> list[Figure]:
    figures = []
    for runner in RUNNERS:
        pairs = zip(searches[runner, 2], searches[runner, 1], strict=True)
        figures.append(
            figure(
                f"{runner}, two workers / one",
                [two.rate_hz / one.rate_hz for two, one in pairs],
                "",
            )
        )
    pairs = zip(searches["ray", 2], searches["local", 1], strict=True)
    return [
        *figures,
        figure(
            "ray with two workers / local with one",
            [two.rate_hz / one.rate_hz for two, one in pairs],
            "",
        ),
    ]
