"""The configuration of a run: everything that its result depends on, as it stands in ``run.yaml``."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from mvt_nas._version import __version__
from mvt_nas.errors import ArchitectureError, MetricError, RunError, TrainingError, listing
from mvt_nas.hardware import this_device
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.problem.device_profiles import unknown_devices
from mvt_nas.nas.problem.objectives import Budget, Objective, costly_metrics, metrics_of
from mvt_nas.nas.problem.short_training import CandidateTraining
from mvt_nas.nas.problem.stopping_rule import NEVER, StoppingRule
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.tasks.base import Task, task_from_dict

FORMAT = 1
"""Version of the format of run folders."""

_PACKAGES = ("torch", "numpy", "optuna", "moocore")


@dataclass(frozen=True, slots=True)
class Scoring:
    """How costly metrics are evaluated.

    Attributes:
        resolution_px: side of the images that proxies see.
        images: of the batch.
        num_classes: outputs of the network that is scored (the digits have ten).
    """

    resolution_px: int = 64
    images: int = 16
    num_classes: int = 10


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What a run does.

    Attributes:
        space: the document of the space, ``extends`` and ``fix`` applied.
        space_hash: its content hash.
        objectives: what is optimised.
        budgets: what is allowed.
        trials: candidates to evaluate, warm start included.
        sampler: name of the sampler.
        seed: of everything random.
        batch: proposals that are made before any of them is told; never the number of workers.
        warm_start: whether published models are evaluated first.
        num_classes: of the networks whose costs are counted.
        scoring: how proxies are evaluated.
        reference: the point from which hypervolume is measured, by metric.
        devices: content hash of the profile of each device on which latency is predicted, by its
            name.
        tasks: for which the backbones' costs are known beside classification: their fields, by
            name.
        accuracy: name and content hash of the table of trained networks by which accuracy is
            predicted; empty where it is not.
        training: how candidates are trained; ``None`` where they are not.
        stop_when: by which rule it ends before its trials are done.
        versions: of what computed the scores.
        source: the name of the space that ships, or the path of its file from the run's folder;
            empty where it had neither.
    """

    space: Mapping[str, Any]
    space_hash: str
    objectives: tuple[Objective, ...]
    budgets: tuple[Budget, ...]
    trials: int
    sampler: str
    seed: int
    batch: int = 16
    warm_start: bool = True
    num_classes: int = 1000
    scoring: Scoring = Scoring()
    reference: Mapping[str, float] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    accuracy: Mapping[str, str] = field(default_factory=dict)
    training: CandidateTraining | None = None
    stop_when: StoppingRule = NEVER
    versions: Mapping[str, str] = field(default_factory=dict)
    source: str = ""

    @property
    def costly(self) -> list[Metric]:
        """The metrics that an evaluation has to give."""
        return costly_metrics(self.objectives, self.budgets)

    @property
    def known_budgets(self) -> list[Budget]:
        """The budgets on what is known, which are met before anything is evaluated."""
        return [budget for budget in self.budgets if budget.metric.known_in_advance]

    @property
    def costly_budgets(self) -> list[Budget]:
        """The budgets that only an evaluation can check."""
        return [budget for budget in self.budgets if not budget.metric.known_in_advance]

    @property
    def metrics(self) -> list[Metric]:
        """The metrics of objectives and budgets, each once."""
        return metrics_of(self.objectives, self.budgets)

    def task(self, kind: str | None) -> Task | None:
        """Return a task of the run by its name; ``None`` stands for classification.

        Raises:
            ArchitectureError: it is damaged.
        """
        return (
            None
            if kind is None
            else task_from_dict({"task": kind} | dict(self.tasks[kind]), f"tasks.{kind}")
        )

    @property
    def name(self) -> str:
        """The name of the space."""
        return str(self.space.get("name", "space"))

    def search_space(self) -> SearchSpace:
        """Return the space of the run.

        Raises:
            RunError: it is not the one that the run was started with.
        """
        space = SearchSpace(self.space, self.name)
        if space.hash != self.space_hash:
            raise RunError(
                f"the run's copy of the space {self.name} was changed (hash {space.hash}, not"
                f" {self.space_hash}); restore run.yaml"
            )
        return space

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain data for ``run.yaml``."""
        return {
            "format": FORMAT,
            "objectives": [str(objective) for objective in self.objectives],
            "budgets": [str(budget) for budget in self.budgets],
            "trials": self.trials,
            "sampler": self.sampler,
            "seed": self.seed,
            "batch": self.batch,
            "warm_start": self.warm_start,
            "num_classes": self.num_classes,
            "scoring": {name: getattr(self.scoring, name) for name in Scoring.__slots__},
            "reference": dict(self.reference),
            "devices": dict(self.devices),
            "tasks": {kind: dict(fields) for kind, fields in self.tasks.items()},
            "accuracy": dict(self.accuracy),
            "training": self.training.to_dict() if self.training else {},
            "stop_when": str(self.stop_when),
            "versions": dict(self.versions),
            "source": self.source,
            "space_hash": self.space_hash,
            "space": dict(self.space),
        }

    @staticmethod
    def from_dict(data: object, where: str) -> RunConfig:
        """Return the configuration in the data of a ``run.yaml``.

        Raises:
            RunError: it is of a newer format, or something misses; ``where`` begins the message.
        """
        if not isinstance(data, Mapping) or "format" not in data:
            raise RunError(
                f"{where}: damaged or not a run's configuration; restore it or start a new run"
            )
        if data["format"] != FORMAT:
            raise RunError(
                f"{where}: format = {data['format']!r}, but this version of mvt-nas reads {FORMAT};"
                " a newer version is needed"
            )
        data = {**_LATER, **data}
        try:
            _check_kinds(data)
            objectives = tuple(Objective.parse(text) for text in data["objectives"])
            budgets = tuple(Budget.parse(text) for text in data["budgets"])
            config = RunConfig(
                objectives=objectives,
                budgets=budgets,
                scoring=Scoring(**data["scoring"]),
                training=(
                    CandidateTraining.from_dict(data["training"]) if data["training"] else None
                ),
                stop_when=StoppingRule.parse(data["stop_when"]),
                **{name: data[name] for name in _KINDS},
            )
            _check_names(config)
            return config
        except (
            KeyError,
            TypeError,
            AttributeError,
            ArchitectureError,
            MetricError,
            TrainingError,
        ) as error:
            raise RunError(
                f"{where}: damaged ({type(error).__name__}: {error}); restore it or start a new run"
            ) from None


_LATER: dict[str, object] = {
    "devices": {},
    "tasks": {},
    "accuracy": {},
    "training": {},
    "stop_when": "never",
    "source": "",
}
"""What the first runs did not have."""

_KINDS: dict[str, type] = {
    **dict.fromkeys(("space", "reference", "devices", "tasks", "accuracy", "versions"), dict),
    **dict.fromkeys(("trials", "seed", "batch", "num_classes"), int),
    **dict.fromkeys(("space_hash", "sampler", "source"), str),
    "warm_start": bool,
}


def _check_kinds(data: Mapping[str, Any]) -> None:
    for name, kind in _KINDS.items():
        if type(data[name]) is not kind:
            raise TypeError(f"{name} = {data[name]!r} is no {kind.__name__}")


def _check_names(config: RunConfig) -> None:
    """Check that all that the metrics name is there."""
    for metric in unknown_devices(config.metrics, config.devices):
        raise MetricError(f"{metric} is none of the devices ({listing(config.devices) or 'none'})")
    for kind in (*config.tasks, *(metric.task for metric in config.metrics)):
        config.task(kind)


def versions() -> dict[str, str]:
    """Return the versions of what computes scores."""
    result = {"mvt-nas": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            result[package] = version(package)
        except PackageNotFoundError:
            result[package] = "missing"
    return result


def surroundings() -> dict[str, str]:
    """Return what the last digits of scores depend on beside the configuration: versions, and the processor."""
    return versions() | {"processor": this_device()["cpu"]}


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """Return in words where two configurations would give different results; another end does not.

    Neither does another place of the same pictures.
    """
    ignored = ("format", "versions", "reference", "trials", "stop_when", "source", "space")
    there, here = old.to_dict(), new.to_dict()
    for document in (there, here):
        document["training"].pop("data", None)
    different = [name for name in there if name not in ignored and there[name] != here[name]]
    return [
        f"{name} is {_short(there[name])} there, {_short(here[name])} here" for name in different
    ]


def _short(value: object) -> str:
    if isinstance(value, dict):
        value = [f"{name} {part}" for name, part in value.items()]
    return listing(value) or "none" if isinstance(value, list) else str(value)
