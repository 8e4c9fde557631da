"""Under which key an evaluation is kept: a hash of all that its value depends on, to the last bit.

That is the architecture, the metric with its version, what it is computed on, the software that
computes it, and the processor: kernels are chosen by its instructions, and another order of
additions gives other last digits.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mvt_nas.errors import TrainingError
from mvt_nas.hardware import this_device
from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.problem.environment import versions
from mvt_nas.nas.runners.evaluation import EvaluationTask
from mvt_nas.proxies.base import PROXIES, Proxy

_NETWORKS = 1
"""Version of how networks are built and initialised, and of the batch that scores see: raised when
any value changes by it."""

_TRAININGS = 1
"""Version of how networks are trained: raised when accuracies change under an unchanged
protocol."""

_SOFTWARE = ("mvt-nas", "torch", "numpy")


class CacheKeys:
    """Makes keys; what all candidates of a run have in common is put together once."""

    def __init__(self) -> None:
        self._common: dict[tuple[object, ...], str] = {}
        found = versions()
        self._here = {
            "software": {name: found[name] for name in _SOFTWARE},
            "processor": _processor(),
            "networks": _NETWORKS,
        }

    def of(self, task: EvaluationTask) -> dict[str, str]:
        """Return the keys of a task's metrics, by metric."""
        architecture = task.architecture.key
        return {
            metric: _hash(architecture + self._settings(metric, task)) for metric in task.metrics
        }

    def _settings(self, metric: str, task: EvaluationTask) -> str:
        asked = (metric, task.scoring, task.seed, task.training, task.epochs)
        if asked not in self._common:
            own = _of_training(task) if metric == TRAINED else _of_proxy(PROXIES.get(metric), task)
            self._common[asked] = json.dumps(
                {"metric": metric, **own, **self._here}, sort_keys=True
            )
        return self._common[asked]


def _of_proxy(proxy: Proxy, task: EvaluationTask) -> dict[str, Any]:
    return {
        "version": proxy.version,
        "text": _text_hash(proxy),
        "scoring": asdict(task.scoring),
        "seed": task.seed,
    }


def _of_training(task: EvaluationTask) -> dict[str, Any]:
    """Return what an accuracy depends on; not where the pictures lie, which their hash makes needless."""
    assert task.training is not None, "a run that asks for trainings says how"
    training = task.training
    pictures = {
        "pictures": training.fingerprint,
        "num_classes": training.num_classes,
        "protocol": training.protocol.key,
    }
    part = {} if task.epochs in (None, training.protocol.epochs) else {"epochs": task.epochs}
    return {
        "version": _TRAININGS,
        **pictures,
        **part,
        "seed": task.seed,
        "device": _device(training.device),
    }


def _device(name: str) -> list[str]:
    from mvt_nas.training.accelerator import device_for, hardware

    try:
        used = hardware(device_for(name), threads=1)
    except TrainingError:  # each candidate will fail by it, and nothing be kept
        return [name]
    return [used["device"], used["name"]]


def _text_hash(proxy: Proxy) -> str:
    """Return the hash of the file that defines a score, or ``""`` if there is none.

    So an edited score is computed again, without its author having to raise a version.
    """
    try:
        return _hash(Path(proxy.source_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""


def _processor() -> Mapping[str, Any]:
    device = this_device()
    return {"cpu": device["cpu"], "flags": device["flags"], "system": sys.platform}


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
