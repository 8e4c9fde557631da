"""One training as Ray Tune runs it, on whatever node: it reports on each rung, with a checkpoint from which another node can go on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mvt_nas._threads_and_malloc import one_torch_thread
from mvt_nas.errors import RunError
from mvt_nas.nas.problem.short_training import train_candidate
from mvt_nas.nas.runners.evaluation import DIED_TWICE, EvaluationTask, reason

if TYPE_CHECKING:
    from mvt_nas.data.dataset import ImageDataset

CANDIDATE = "candidate"
"""Under which name a task stands in the configuration of a trial."""

_FILE = "training.pt"
# at one rung, before the training is taken to kill its workers; nodes may die in between
_ATTEMPTS = 4


def trains(
    config: dict[str, Any], images: ImageDataset, software: Mapping[str, str], experiment: str
) -> None:
    """Train a candidate from rung to rung; Tune pauses it where it reports."""
    from mvt_nas.nas.runners.software import check_software

    task: EvaluationTask = config[CANDIDATE]
    assert task.training is not None
    last = task.training.protocol.epochs
    try:
        check_software(tuple(software.items()))
    except RunError as error:
        _report({"refused": str(error), "epochs": 0}, last, time.perf_counter(), None)
        return
    attempts = _Attempts(task, experiment)
    if attempts.next() > _ATTEMPTS:
        _report({"error": DIED_TWICE, "epochs": 0}, last, time.perf_counter(), None)
        return
    with TemporaryDirectory() as folder, one_torch_thread():
        checkpoint = Path(folder) / f"{task.architecture.key}.pt"
        _take_up(checkpoint, task)
        for epochs in (*task.training.rungs, last):
            start = time.perf_counter()
            try:
                accuracy = train_candidate(
                    task.training, task.architecture, task.seed, Path(folder), images, epochs
                )
            except Exception as error:  # a network that cannot be trained is a failed candidate
                _report({"error": reason(error), "epochs": epochs}, last, start, None)
                return
            attempts.forget()
            _report(
                {"accuracy": accuracy, "epochs": epochs},
                last,
                start,
                checkpoint if epochs < last else None,
            )


class _Attempts:
    """Counts how often a training was begun since its last rung, in a file that every node sees.

    Args:
        task: whose training it is.
        experiment: of Tune: what an earlier one counted does not count.
    """

    def __init__(self, task: EvaluationTask, experiment: str) -> None:
        assert task.folder is not None
        self._path = task.folder / f"{task.architecture.key}.{experiment}"

    def next(self) -> int:
        """Return the number of this attempt, from 1."""
        with self._path.open("a") as file:
            file.write("1")
            return file.tell()

    def forget(self) -> None:
        """Begin to count anew."""
        self._path.unlink(missing_ok=True)


def _take_up(checkpoint: Path, task: EvaluationTask) -> None:
    """Put the checkpoint in place from which to go on: Tune's, or one that an earlier search left in its folder."""
    from ray import tune

    found = tune.get_checkpoint()
    if found is not None:
        with found.as_directory() as folder:
            shutil.copyfile(Path(folder) / _FILE, checkpoint)
        return
    assert task.folder is not None
    left = task.folder / checkpoint.name
    if left.is_file():
        shutil.copyfile(left, checkpoint)


def _report(what: dict[str, Any], last: int, start: float, checkpoint: Path | None) -> None:
    from ray import tune

    result = what | {"last": last, "seconds": time.perf_counter() - start}
    if checkpoint is None:
        tune.report(result)
        return
    with TemporaryDirectory() as folder:
        shutil.copyfile(checkpoint, Path(folder) / _FILE)
        tune.report(result, checkpoint=tune.Checkpoint.from_directory(folder))
