"""Evaluating one candidate on its costly metrics. Runs in worker processes; holds nothing that matters."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mvt_nas._threads_and_malloc import one_torch_thread
from mvt_nas.errors import MetricError, MvtNasError
from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.problem.config import Scoring
from mvt_nas.nas.problem.short_training import CandidateTraining, train_candidate
from mvt_nas.space.architecture import Architecture

if TYPE_CHECKING:
    from mvt_nas.data.dataset import ImageDataset
    from mvt_nas.proxies.types import Batch

DIED_TWICE = "the worker process died twice (killed, perhaps for want of memory)"
"""The error of a candidate whose evaluation ends whatever process it runs in."""

_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """One candidate to evaluate.

    Attributes:
        number: of the trial.
        architecture: what to evaluate.
        metrics: names of the costly metrics.
        scoring: how.
        seed: of the initial weights and the batch; the same for all candidates of a run, so that
            they are compared alike.
        training: how to train it; ``None`` where it is not trained.
        folder: where unfinished trainings lie; ``None`` where none is kept.
        epochs: after which its training pauses; ``None`` for all.
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
    """What an evaluation gave.

    Attributes:
        number: of the trial.
        scores: metric to value, finite ones only.
        error: why a score misses; ``None`` when none does.
        seconds: of wall time.
        shares: the seconds by metric, where none failed; scores that share their passes have equal
            shares.
    """

    number: int
    scores: Mapping[str, float]
    error: str | None
    seconds: float
    shares: Mapping[str, float] = field(default_factory=dict)


def evaluate(task: EvaluationTask, images: ImageDataset | None = None) -> Outcome:
    """Return the scores of a candidate; whatever goes wrong becomes the outcome's error.

    Args:
        task: what to do.
        images: to train on, where they need not be read.
    """
    start = time.perf_counter()
    scores: dict[str, float] = {}
    shares: dict[str, float] = {}
    error = None
    try:
        with one_torch_thread():
            _score(task, images, scores, shares)
    except (Exception, SystemExit) as problem:  # whatever a candidate does, the search goes on
        error = reason(problem)
    seconds = (
        time.perf_counter() - start if error else sum(shares.values())
    )  # as they are put together again from the cache
    return Outcome(task.number, scores, error, seconds, shares)


def _score(
    task: EvaluationTask,
    images: ImageDataset | None,
    scores: dict[str, float],
    shares: dict[str, float],
) -> None:
    proxies = [name for name in task.metrics if name != TRAINED]
    start = time.perf_counter()
    if proxies:
        _score_untrained(task, proxies, scores)
    scored = time.perf_counter()
    shares |= dict.fromkeys(proxies, (scored - start) / max(len(proxies), 1))
    if TRAINED in task.metrics:
        assert task.training is not None, "a run that asks for trainings says how"
        scores[TRAINED] = train_candidate(
            task.training, task.architecture, task.seed, task.folder, images, task.epochs
        )
        shares[TRAINED] = time.perf_counter() - scored


def _score_untrained(task: EvaluationTask, names: Sequence[str], scores: dict[str, float]) -> None:
    """Add the training-free scores, on the passes that they share.

    Raises:
        MetricError: one has no finite value; those that do are added before.
    """
    from mvt_nas.models.network import build_model
    from mvt_nas.proxies.suite import score_all

    model = build_model(task.architecture, num_classes=task.scoring.num_classes, seed=task.seed)
    found = score_all(model, _batch(task.scoring, task.seed), names)
    scores |= {
        name: float(score.value) for name, score in found.items() if math.isfinite(score.value)
    }
    missing = [f"{name}: {score.status}" for name, score in found.items() if name not in scores]
    if missing:
        raise MetricError("; ".join(missing))


@lru_cache(maxsize=1)
def _batch(scoring: Scoring, seed: int) -> Batch:
    from mvt_nas.proxies.batches import digits_batch

    return digits_batch(scoring.images, scoring.resolution_px, seed)


def reason(problem: BaseException) -> str:
    """Return in one line what went wrong with a candidate."""
    first = (str(problem).strip().splitlines() or [""])[0]
    return (first if isinstance(problem, MvtNasError) else f"{type(problem).__name__}: {first}")[
        :_LONGEST_REASON
    ]
