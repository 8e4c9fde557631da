"""Evaluation of one candidate on its costly metrics.

It runs in worker processes, which hold no state that could be lost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas._threads_and_malloc import one_torch_thread
from mvt_nas.errors import MvtNasError
from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.problem.short_training import CandidateTraining, train_candidate
from mvt_nas.space.architecture import Architecture

if TYPE_CHECKING:
    from mvt_nas.data.dataset import ImageDataset

DIED_TWICE = "the worker process died twice (possibly out of memory)"
"""Error of a candidate whose evaluation kills its worker process each time."""

_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """A candidate to evaluate.

    Attributes:
        number: Number of the trial.
        architecture: Architecture to evaluate.
        metrics: Names of the costly metrics.
        scoring: Settings of the training-free metrics.
        seed: Seed of the initial weights and the batch, the same for all candidates of a run.
        training: Training settings; None if the candidate is not trained.
        folder: Folder of the checkpoints of unfinished trainings; None to write none.
        epochs: Epochs after which the training pauses; None for all.
    """

    number: int
    architecture: Architecture
    metrics: tuple[str, ...]
    scoring: Scoring
    seed: int
    training: CandidateTraining | None = None
    folder: Path | None = None
    epochs: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of an evaluation.

    Attributes:
        number: Number of the trial.
        scores: Metric to value; finite values only.
        error: Reason of a missing score; None if none is missing.
        seconds: Wall time in seconds.
        shares: Wall time by metric, if none failed; metrics computed in the same passes have equal
            shares.
    """

    number: int
    scores: Mapping[str, float]
    error: str | None
    seconds: float
    shares: Mapping[str, float] = field(default_factory=dict)


def evaluate(task: EvaluationTask, images: ImageDataset | None = None) -> Outcome:
    """Return the scores of a candidate; any exception becomes the outcome's error.

    Args:
        task: Candidate to evaluate.
        images: Training images, if they are loaded already.
    """
    start = time.perf_counter()
    scores: dict[str, float] = {}
    shares: dict[str, float] = {}
    error = None
    try:
        with one_torch_thread():
            _score(task, images, scores, shares)
    except (Exception, SystemExit) as problem:
        # A failed candidate must not end the search.
        error = reason(problem)
    # The sum of the shares is what an outcome from the cache has as well.
    seconds = time.perf_counter() - start if error else sum(shares.values())
    return Outcome(task.number, scores, error, seconds, shares)


def _score(
    task: EvaluationTask,
    images: ImageDataset | None,
    scores: dict[str, float],
    shares: dict[str, float],
) -> None:
    """Add the scores of a candidate and their wall times; what was added stays on an exception."""
    proxies = [name for name in task.metrics if name != TRAINED]
    start = time.perf_counter()
    if proxies:
        from mvt_nas.nas.runners.untrained_scores import add_untrained_scores

        add_untrained_scores(task.architecture, task.scoring, task.seed, proxies, scores)
    scored = time.perf_counter()
    shares |= dict.fromkeys(proxies, (scored - start) / max(len(proxies), 1))
    if TRAINED in task.metrics:
        assert task.training is not None, "a run that asks for trainings says how"
        scores[TRAINED] = train_candidate(
            task.training, task.architecture, task.seed, task.folder, images, task.epochs
        )
        shares[TRAINED] = time.perf_counter() - scored


def reason(problem: BaseException) -> str:
    """Return the message of an exception on one line."""
    first = (str(problem).strip().splitlines() or [""])[0]
    message = first if isinstance(problem, MvtNasError) else f"{type(problem).__name__}: {first}"
    return message[:_LONGEST_REASON]
