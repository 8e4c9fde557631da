"""Trainings with rungs under Ray Tune: paused where the engine asks for it, and taken up again from Tune's checkpoints.

One Tune experiment lasts as long as the runner. Its search algorithm starts the trainings that the
engine asks for; its scheduler pauses each at its rung, and goes on with those that the engine
promotes. Tune brings back those whose worker or node has died, from their last rung. Tune's own
Optuna search has no place here: what it proposes depends on who finishes first.

Source: Liaw et al., "Tune: a research platform for distributed model selection and training", arXiv
1807.05118.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from mvt_nas.errors import RunError
from mvt_nas.nas.runners.base import Resources
from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome
from mvt_nas.nas.runners.ray_tune_trainable import CANDIDATE, trains

_AS_OFTEN_AS_IT_TAKES = -1  # nodes die; a training that kills its workers is given up by itself
_LOOK_S = 1.0
_QUIET = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}


@dataclass(slots=True)
class _Board:
    """What the engine asks for and what Tune has done; both sides use it under its lock.

    Attributes:
        most: trainings at a time.
        waiting: tasks, in the order of the engine.
        running: by candidate, the task whose rung it is to reach.
        known: candidates whose training Tune knows.
        outcomes: for the engine, or why there will be none.
        closed: whether the engine asks for nothing more.
    """

    most: int | None
    waiting: list[EvaluationTask] = field(default_factory=list)
    running: dict[int, EvaluationTask] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)
    outcomes: Queue[Outcome | RunError] = field(default_factory=Queue)
    closed: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def take(self, known: bool) -> EvaluationTask | None:
        """Return the next task of a training that Tune knows, or of one that it does not, which so begins; ``None`` for none."""
        with self.lock:
            if self.closed or (self.most is not None and len(self.running) >= self.most):
                return None
            task = next(
                (task for task in self.waiting if (task.number in self.known) == known), None
            )
            if task is not None:
                self.waiting.remove(task)
                self.known.add(task.number)
                self.running[task.number] = task
            return task

    def begin_again(self, number: int) -> None:
        """Let a training that Tune has given up begin as one that it does not know."""
        with self.lock:
            if number in self.running:
                self.waiting.insert(0, self.running.pop(number))
                self.known.discard(number)

    def reached(self, number: int, result: dict[str, Any]) -> bool:
        """Take a report of a training; return whether it is to rest now."""
        with self.lock:
            task = self.running.get(number)
            if task is None:
                return True
            if "refused" in result:
                self.outcomes.put(RunError(result["refused"]))
                return True
            if "error" not in result and result["epochs"] < (task.epochs or result["last"]):
                return False
            del self.running[number]
            error = result.get("error")
            scores = {} if error else {task.metrics[0]: float(result["accuracy"])}
            self.outcomes.put(Outcome(number, scores, error, float(result["seconds"])))
            return True


_BOARDS: dict[int, _Board] = {}
"""By number: Tune copies and pickles its search algorithm and its scheduler, which so hold no more
than a number."""

_NUMBERS = itertools.count()


class RayTuneTrainings:
    """Trains by one experiment of Ray Tune.

    Args:
        resources: what trainings may use.
        images: gives the pictures of a task.
        software: that every node has to have.
    """

    def __init__(
        self,
        resources: Resources,
        images: Callable[[EvaluationTask], Any],
        software: dict[str, str],
    ) -> None:
        self._resources, self._images, self._software = resources, images, software
        self._number = next(_NUMBERS)
        self._board = _BOARDS[self._number] = _Board(resources.workers)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcomes as they come.

        Raises:
            RunError: Tune ends before its time.
        """
        if not tasks:
            return
        with self._board.lock:
            self._board.waiting += tasks
        self._start(tasks[0])
        for _ in tasks:
            yield self._next()

    def close(self) -> None:
        """End the experiment."""
        self._board.closed = True
        if self._thread is not None:
            self._thread.join(timeout=30)
        del _BOARDS[self._number]

    def _next(self) -> Outcome:
        assert self._thread is not None
        while True:
            try:
                found = self._board.outcomes.get(timeout=_LOOK_S)
            except Empty:
                if not self._thread.is_alive():
                    reason = str(self._error or "no reason given").splitlines()[0]
                    raise RunError(f"Ray Tune has ended ({reason}); resume the run") from None
            else:
                if isinstance(found, RunError):
                    raise found
                return found

    def _start(self, task: EvaluationTask) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._fit, args=(task,), daemon=True)
            self._thread.start()

    def _fit(self, task: EvaluationTask) -> None:
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        assert task.folder is not None, "trainings with rungs belong to a run"
        needs = {"cpu": self._resources.cpus, "gpu": self._resources.gpus}
        logging.getLogger("ray.tune").setLevel(
            logging.CRITICAL
        )  # else it prints a traceback for each node that dies
        function = tune.with_parameters(
            trains, images=self._images(task), software=self._software, experiment=uuid.uuid4().hex
        )
        try:
            tune.Tuner(
                tune.with_resources(function, needs),
                tune_config=tune.TuneConfig(
                    search_alg=_Asked(self._number),
                    scheduler=PausingScheduler(self._number),
                    num_samples=-1,
                    reuse_actors=True,
                    trial_dirname_creator=lambda trial: str(trial.config[CANDIDATE].number),
                ),
                run_config=tune.RunConfig(
                    name="tune",
                    storage_path=str(Path(task.folder).resolve()),
                    failure_config=tune.FailureConfig(max_failures=_AS_OFTEN_AS_IT_TAKES),
                    checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
                    verbose=0,
                ),
            ).fit()
        except BaseException as error:  # it is told in the thread that waits
            self._error = error


class _Asked(Searcher):
    """Tune's search algorithm: the trainings that the engine asks for, in its order."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]  # it may say FINISHED, says Ray
        """Return the configuration of a training that is to begin; ``None`` while there is none."""
        board = _BOARDS.get(self._number)
        if board is None or board.closed:
            return str(Searcher.FINISHED)
        task = board.take(known=False)
        return None if task is None else {CANDIDATE: task}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing to learn here: who goes on is decided by the engine."""

    def save(self, checkpoint_path: str) -> None:
        """Keep nothing: the run's store has all that matters."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing was kept."""


class PausingScheduler(FIFOScheduler):
    """Tune's scheduler: a training rests at its rung until the engine sends it on to the next."""

    def __init__(self, number: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray annotates no constructor
        self._number = number
        self._given_up: set[str] = set()

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return what becomes of a training that reports: it rests on its rung, ends on the last, and else goes on."""
        if self._number in _BOARDS and not _BOARDS[self._number].reached(
            trial.config[CANDIDATE].number, result
        ):
            return str(TrialScheduler.CONTINUE)
        over = "error" in result or "refused" in result or result["epochs"] == result["last"]
        return str(TrialScheduler.STOP if over else TrialScheduler.PAUSE)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Nothing: Tune says so of trainings that it brings back, too."""

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return a training that has been asked for; end all when the engine has closed."""
        board, trials = _BOARDS.get(self._number), tune_controller.get_trials()
        if board is None or board.closed:
            for trial in list(trials):
                if trial.status in (trial.PENDING, trial.PAUSED):
                    tune_controller.stop_trial(trial)
            return None
        for trial in trials:
            if trial.status == trial.ERROR and trial.trial_id not in self._given_up:
                self._given_up.add(trial.trial_id)
                board.begin_again(trial.config[CANDIDATE].number)
        board.take(known=True)
        asked = [trial for trial in trials if trial.config[CANDIDATE].number in board.running]
        return next(
            (trial for trial in asked if trial.status in (trial.PENDING, trial.PAUSED)), None
        )
