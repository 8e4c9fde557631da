"""Trainings with rungs under Ray Tune.

One Tune experiment lasts as long as the runner. Its search algorithm starts the trainings that the
search requests; its scheduler pauses each at its rung, and resumes those that are promoted from
Tune's checkpoints. Tune restarts trainings whose worker or node has died, from their last rung.
Tune's own Optuna search is not used: its proposals depend on the order in which trainings finish.

Source: Liaw et al., "Tune: a research platform for distributed model selection and training", arXiv
1807.05118.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from mvt_nas._threads_and_malloc import one_torch_thread
from mvt_nas.errors import RunError
from mvt_nas.nas.problem.short_training import train_candidate
from mvt_nas.nas.runners.base import Resources
from mvt_nas.nas.runners.evaluation import DIED_TWICE, EvaluationTask, Outcome, reason
from mvt_nas.nas.runners.software import check_software

if TYPE_CHECKING:
    from mvt_nas.data.dataset import ImageDataset

CANDIDATE = "candidate"
"""Key of the task in the configuration of a Tune trial."""

# Nodes die, so Tune restarts trainings without limit; a training that kills its workers is given up
# after this many attempts on one rung.
_UNLIMITED = -1
_ATTEMPTS = 4
_POLL_S = 1.0
_QUIET = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_AIR_NEW_OUTPUT": "0"}
_CHECKPOINT = "training.pt"


@dataclass(slots=True)
class _Exchange:
    """Tasks of the search and results of Tune, guarded by a lock.

    The search, Tune's search algorithm and its scheduler share one exchange. Tune copies the latter
    two, and pickles them into the folder of the experiment: copies share the exchange, and a pickle
    restores to a closed one, since nothing is left to train without the search.

    Attributes:
        workers: Largest number of simultaneous trainings; None for no limit.
        waiting: Tasks in the order of the search.
        running: Tasks in training, by number of the candidate.
        known: Numbers of candidates that Tune has a trial for.
        outcomes: Outcomes for the search, or the reason why there will be none.
        closed: True once the search requests nothing more.
    """

    workers: int | None = None
    waiting: list[EvaluationTask] = field(default_factory=list)
    running: dict[int, EvaluationTask] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)
    outcomes: Queue[Outcome | RunError] = field(default_factory=Queue)
    closed: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Exchange:
        return self

    def __reduce__(self) -> tuple[Callable[[], _Exchange], tuple[()]]:
        return _closed_exchange, ()

    def take(self, known: bool) -> EvaluationTask | None:
        """Return the next task and mark it as running; None if there is none.

        Args:
            known: Take a task that continues a trial of Tune, else one that begins a new trial.
        """
        with self.lock:
            full = self.workers is not None and len(self.running) >= self.workers
            if self.closed or full:
                return None
            for task in self.waiting:
                if (task.number in self.known) == known:
                    self.waiting.remove(task)
                    self.known.add(task.number)
                    self.running[task.number] = task
                    return task
            return None

    def restart(self, number: int) -> None:
        """Let a training that Tune has given up begin as a new trial."""
        with self.lock:
            if number in self.running:
                self.waiting.insert(0, self.running.pop(number))
                self.known.discard(number)

    def report(self, number: int, result: dict[str, Any]) -> bool:
        """Process a report of a training; return True if the training has to pause or end."""
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


def _closed_exchange() -> _Exchange:
    return _Exchange(closed=True)


class RayTuneTrainings:
    """Trains by one experiment of Ray Tune.

    Args:
        resources: Resources for trainings.
        images: Function that returns a reference to the training images of a task.
        software: Packages and versions that every node must have.
    """

    def __init__(
        self,
        resources: Resources,
        images: Callable[[EvaluationTask], Any],
        software: dict[str, str],
    ) -> None:
        self._resources = resources
        self._images = images
        self._software = software
        self._exchange = _Exchange(resources.workers)
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def run(self, tasks: Sequence[EvaluationTask]) -> Iterator[Outcome]:
        """Yield the outcomes as they finish.

        Raises:
            RunError: Tune ends early.
        """
        if not tasks:
            return
        with self._exchange.lock:
            self._exchange.waiting += tasks
        self._start(tasks[0])
        for _ in tasks:
            yield self._next()

    def close(self) -> None:
        """End the experiment."""
        self._exchange.closed = True
        if self._thread is not None:
            self._thread.join(timeout=30)

    def _next(self) -> Outcome:
        """Wait for the next outcome, as long as Tune is running."""
        assert self._thread is not None
        while True:
            try:
                outcome = self._exchange.outcomes.get(timeout=_POLL_S)
            except Empty:
                if self._thread.is_alive():
                    continue
                cause = str(self._error or "no reason given").splitlines()[0]
                raise RunError(f"Ray Tune has ended ({cause}); resume the run") from None
            if isinstance(outcome, RunError):
                raise outcome
            return outcome

    def _start(self, task: EvaluationTask) -> None:
        """Start the experiment, unless it is running already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._fit, args=(task,), daemon=True)
            self._thread.start()

    def _fit(self, task: EvaluationTask) -> None:
        """Run the experiment until the exchange is closed."""
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        # Else Tune prints a traceback for each node that dies.
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        assert task.folder is not None, "trainings with rungs belong to a run"
        function = tune.with_parameters(
            train_on_rungs,
            images=self._images(task),
            software=self._software,
            experiment=uuid.uuid4().hex,
        )
        needs = {"cpu": self._resources.cpus, "gpu": self._resources.gpus}
        try:
            tune.Tuner(
                tune.with_resources(function, needs),
                tune_config=tune.TuneConfig(
                    search_alg=_RequestedTrainings(self._exchange),
                    scheduler=PausingScheduler(self._exchange),
                    num_samples=-1,
                    reuse_actors=True,
                    trial_dirname_creator=lambda trial: str(trial.config[CANDIDATE].number),
                ),
                run_config=tune.RunConfig(
                    name="tune",
                    storage_path=str(Path(task.folder).resolve()),
                    failure_config=tune.FailureConfig(max_failures=_UNLIMITED),
                    checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
                    verbose=0,
                ),
            ).fit()
        except BaseException as error:
            # Raised by _next() in the thread of the search.
            self._error = error


class _RequestedTrainings(Searcher):
    """Tune's search algorithm: the trainings that the search requests, in its order."""

    def __init__(self, exchange: _Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    # Ray declares a narrower type, but documents FINISHED as a return value.
    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # type: ignore[override]
        """Return the configuration of a training to begin; None while there is none."""
        if self._exchange.closed:
            return str(Searcher.FINISHED)
        task = self._exchange.take(known=False)
        return None if task is None else {CANDIDATE: task}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Do nothing: the search decides on promotions."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the run's store holds all state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: there is no state."""


class PausingScheduler(FIFOScheduler):
    """Tune's scheduler: a training pauses at its rung until the search promotes it.

    Args:
        exchange: Tasks and results.
    """

    def __init__(self, exchange: _Exchange) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Ray annotates no constructor
        self._exchange = exchange
        self._given_up: set[str] = set()

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Return the action after a report: pause on a rung, stop on the last, else continue."""
        number = trial.config[CANDIDATE].number
        if not self._exchange.report(number, result):
            return str(TrialScheduler.CONTINUE)
        ended = "error" in result or "refused" in result or result["epochs"] == result["last"]
        return str(TrialScheduler.STOP if ended else TrialScheduler.PAUSE)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Do nothing: Tune reports errors also of trainings that it restarts."""

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Return a requested training; stop all once the search has closed the exchange."""
        trials = tune_controller.get_trials()
        if self._exchange.closed:
            for trial in list(trials):
                if trial.status in (trial.PENDING, trial.PAUSED):
                    tune_controller.stop_trial(trial)
            return None
        for trial in trials:
            if trial.status == trial.ERROR and trial.trial_id not in self._given_up:
                self._given_up.add(trial.trial_id)
                self._exchange.restart(trial.config[CANDIDATE].number)
        self._exchange.take(known=True)
        for trial in trials:
            requested = trial.config[CANDIDATE].number in self._exchange.running
            if requested and trial.status in (trial.PENDING, trial.PAUSED):
                return trial
        return None


def train_on_rungs(
    config: dict[str, Any], images: ImageDataset, software: Mapping[str, str], experiment: str
) -> None:
    """Train a candidate from rung to rung, on any node; Tune pauses it at a report.

    Each report has a checkpoint from which another node can resume.

    Args:
        config: Configuration of the Tune trial.
        images: Training images.
        software: Packages and versions that the node must have.
        experiment: Identity of the Tune experiment.
    """
    task: EvaluationTask = config[CANDIDATE]
    assert task.training is not None
    last = task.training.protocol.epochs
    try:
        check_software(tuple(software.items()))
    except RunError as error:
        _report({"refused": str(error), "epochs": 0}, last, time.perf_counter(), None)
        return
    attempts = _AttemptCounter(task, experiment)
    if attempts.next() > _ATTEMPTS:
        _report({"error": DIED_TWICE, "epochs": 0}, last, time.perf_counter(), None)
        return
    with TemporaryDirectory() as folder, one_torch_thread():
        checkpoint = Path(folder) / f"{task.architecture.key}.pt"
        _restore_checkpoint(checkpoint, task)
        for epochs in (*task.training.rungs, last):
            start = time.perf_counter()
            try:
                accuracy = train_candidate(
                    task.training, task.architecture, task.seed, Path(folder), images, epochs
                )
            except Exception as error:
                # A network that cannot be trained is a failed candidate.
                _report({"error": reason(error), "epochs": epochs}, last, start, None)
                return
            attempts.reset()
            result = {"accuracy": accuracy, "epochs": epochs}
            _report(result, last, start, checkpoint if epochs < last else None)


class _AttemptCounter:
    """Number of attempts of a training since its last rung, in a file that every node sees.

    Args:
        task: Task of the training.
        experiment: Identity of the Tune experiment; attempts of earlier ones do not count.
    """

    def __init__(self, task: EvaluationTask, experiment: str) -> None:
        assert task.folder is not None
        self._path = task.folder / f"{task.architecture.key}.{experiment}"

    def next(self) -> int:
        """Count an attempt and return its number, from 1."""
        # One character per attempt: appending is atomic, and the size is the count.
        with self._path.open("a") as file:
            file.write("1")
            return file.tell()

    def reset(self) -> None:
        """Count from 1 again."""
        self._path.unlink(missing_ok=True)


def _restore_checkpoint(checkpoint: Path, task: EvaluationTask) -> None:
    """Copy the checkpoint to resume from: Tune's, or one of an earlier search in its folder."""
    from_tune = tune.get_checkpoint()
    if from_tune is not None:
        with from_tune.as_directory() as folder:
            shutil.copyfile(Path(folder) / _CHECKPOINT, checkpoint)
        return
    assert task.folder is not None
    earlier = task.folder / checkpoint.name
    if earlier.is_file():
        shutil.copyfile(earlier, checkpoint)


def _report(result: dict[str, Any], last: int, start: float, checkpoint: Path | None) -> None:
    """Report a result to Tune, with the last epoch and the time since ``start``."""
    complete = result | {"last": last, "seconds": time.perf_counter() - start}
    if checkpoint is None:
        tune.report(complete)
        return
    with TemporaryDirectory() as folder:
        shutil.copyfile(checkpoint, Path(folder) / _CHECKPOINT)
        tune.report(complete, checkpoint=tune.Checkpoint.from_directory(folder))
