"""Keys of cached evaluations: hashes of everything that affects their values.

That is the architecture, the metric and its version, the input data, the software, and the
processor: its instruction set selects kernels, and another order of additions changes the last
digits.
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
"""Version of the construction and initialisation of networks, and of the batch of the proxies;
increased when a change of the code changes any value."""

_TRAININGS = 1
"""Version of the training; increased when accuracies change under an unchanged protocol."""

_SOFTWARE = ("mvt-nas", "torch", "numpy")


class CacheKeys:
    """Computes keys; the part that all candidates of a run share is computed once."""

    def __init__(self) -> None:
        self._common: dict[tuple[object, ...], str] = {}
        installed = versions()
        self._environment = {
            "software": {name: installed[name] for name in _SOFTWARE},
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
        """Return all inputs of a metric but the architecture, as JSON."""
        inputs = (metric, task.scoring, task.seed, task.training, task.epochs)
        if inputs not in self._common:
            if metric == TRAINED:
                own = _training_inputs(task)
            else:
                own = _proxy_inputs(PROXIES.get(metric), task)
            content = {"metric": metric, **own, **self._environment}
            self._common[inputs] = json.dumps(content, sort_keys=True)
        return self._common[inputs]


def _proxy_inputs(proxy: Proxy, task: EvaluationTask) -> dict[str, Any]:
    return {
        "version": proxy.version,
        "text": _text_hash(proxy),
        "scoring": asdict(task.scoring),
        "seed": task.seed,
    }


def _training_inputs(task: EvaluationTask) -> dict[str, Any]:
    """Return the inputs of an accuracy; the images by their fingerprint, not by their path."""
    assert task.training is not None, "a run with trainings has training settings"
    training = task.training
    inputs: dict[str, Any] = {
        "version": _TRAININGS,
        # The key "pictures" is part of the hashes of existing caches.
        "pictures": training.fingerprint,
        "num_classes": training.num_classes,
        "protocol": training.protocol.key,
        "seed": task.seed,
        "device": _device(training.device),
    }
    # Complete trainings have no such key, so that rungs do not change their hashes.
    if task.epochs not in (None, training.protocol.epochs):
        inputs["epochs"] = task.epochs
    return inputs


def _device(name: str) -> list[str]:
    from mvt_nas.training.accelerator import device_for, hardware

    try:
        used = hardware(device_for(name), threads=1)
    except TrainingError:
        # Each candidate will fail for the same reason, and nothing is cached.
        return [name]
    return [used["device"], used["name"]]


def _text_hash(proxy: Proxy) -> str:
    """Return the hash of the file that defines a proxy, or ``""`` if there is none.

    So an edited proxy is computed again, even if its author does not increase its version.
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
