"""What worker processes do in tests: nothing that takes time."""

from __future__ import annotations

import os
import time
from pathlib import Path

from mvt_nas.nas.runners.evaluation import EvaluationTask, Outcome


def counts(task: EvaluationTask) -> Outcome:
    return Outcome(task.number, {"number": float(task.number)}, None, 0.0)


def dies_on_every_fifth(task: EvaluationTask) -> Outcome:
    if task.number % 5 == 2:
        os._exit(7)
    return counts(task)


def dies_once(task: EvaluationTask) -> Outcome:
    assert task.folder is not None
    marker = task.folder / "died"
    if task.number == 3 and not marker.exists():
        marker.touch()
        os._exit(7)
    return counts(task)


def lasts_for_ever(task: EvaluationTask) -> Outcome:
    Path(os.environ["LIGHT_WORK_MARKER"]).touch()
    time.sleep(3600.0)
    return counts(task)


def ends_at_once(*_: object) -> None:
    os._exit(5)
