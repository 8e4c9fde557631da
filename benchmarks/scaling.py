"""How much quicker two workers search than one, where an evaluation takes about two seconds.

Evaluations are real trainings on the digits that come with scikit-learn, on one thread each. The
first batch does not count: in it workers start, import and read the pictures, which is told apart.
Then the clock runs from the end of the first batch to the end of the last, proposals, the store and
the wait for the slowest of each batch included. Ratios are of searches of the same run, done in
turn. What the machine itself gives to two processes that know nothing of one another stands beside
them. All searches have to find the same candidates and the same front to the last bit.
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
"""Evaluations of about the same length: a batch ends with its slowest."""

_ALONE = """
import json, sys, time
from mvt_nas.nas.runners.evaluation import EvaluationTask, evaluate
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.runs.run import Run
run, times = Run.load(sys.argv[1]), []
for repeat in range(5):
    start = time.perf_counter()
    one = evaluate(EvaluationTask(0, run.architecture(0), ("trained_accuracy",), Scoring(), 0, run.config.training))
    times.append(time.perf_counter() - start)
    assert one.error is None, one.error
print(json.dumps(times))
"""


@dataclass(frozen=True, slots=True)
class Searched:
    """One search.

    Attributes:
        rate_hz: candidates a second, the first batch left out.
        starting_s: by how much the first batch took longer than the others.
        evaluation_s: the mean that a worker spent on one candidate.
        found: everything that has to be the same in all searches.
    """

    rate_hz: float
    starting_s: float
    evaluation_s: float
    found: Any


def searched(runner: str, workers: int, folder: Path) -> Searched:
    """Return how a search went."""
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
    """Return by how much two processes do more than one of the same trainings, when they know nothing of one another."""
    alone = _trainings(run, 1)
    return 2 * alone / _trainings(run, 2)


def _trainings(run: Path, processes: int) -> float:
    """Return the median seconds of one training in so many processes at once."""
    start = partial(
        subprocess.Popen,
        [sys.executable, "-c", _ALONE, str(run)],
        stdout=subprocess.PIPE,
        text=True,
    )
    answers = [process.communicate()[0] for process in [start() for _ in range(processes)]]
    return float(
        statistics.median(seconds for answer in answers for seconds in json.loads(answer)[1:])
    )


def run() -> list[Figure]:
    """Return rates, the ratios of two workers to one, and what starting takes.

    Raises:
        RuntimeError: two searches did not find the same.
    """
    kinds = list(product(RUNNERS, WORKERS))
    searches: dict[tuple[str, int], list[Searched]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(REPEATS):
            for kind in (
                kinds if repeat % 2 == 0 else kinds[::-1]
            ):  # there and back, lest the machine's mood take sides
                out = Path(folder) / f"{kind[0]}-{kind[1]}-{repeat}"
                searches[kind].append(searched(*kind, out))
        limit = machine(out)
    _check_same([one for several in searches.values() for one in several])
    return [
        *_of_kinds(searches),
        *_ratios(searches),
        figure("two processes that share nothing / one", [limit], ""),
    ]


def _check_same(searches: list[Searched]) -> None:
    if any(one.found != searches[0].found for one in searches):
        raise RuntimeError("two searches that differ in workers only did not find the same")


def _of_kinds(searches: dict[tuple[str, int], list[Searched]]) -> list[Figure]:
    figures = []
    for (runner, workers), several in searches.items():
        name = f"{runner}, {workers} worker{'s' if workers > 1 else ''}"
        note = (
            f"one takes {statistics.median(one.evaluation_s for one in several):.2f} s; the same"
            " front bit for bit as all others here"
        )
        figures.append(figure(name, [one.rate_hz for one in several], "candidates/s", note))
        figures.append(
            figure(
                f"{name}, starting", [one.starting_s for one in several], "s", "not in the rates"
            )
        )
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
