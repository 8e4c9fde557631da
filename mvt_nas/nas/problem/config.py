"""The configuration of a run: everything that its result depends on, as stored in ``run.yaml``.

Each field is declared once. The declaration serves its default, the check of ``run.yaml``, the
values that a resumed run keeps, and the option of ``mvt-nas search``. Since the command line
reads the declarations for every ``--help``, importing this module loads nothing heavy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mvt_nas._fields import FieldSpec
from mvt_nas._settings import (
    Option,
    list_codec,
    mapping_codec,
    nested_codec,
    read_settings,
    result_settings,
    setting,
    write_settings,
)
from mvt_nas.errors import ArchitectureError, MetricError, MvtNasError, RunError, listing
from mvt_nas.metrics.metric import Metric
from mvt_nas.nas.problem.objectives import Budget, Objective, costly_metrics, metrics_of
from mvt_nas.nas.problem.short_training import TRAINING_CODEC, CandidateTraining
from mvt_nas.nas.problem.stopping_rule import NEVER, STOPPING_RULE_CODEC, StoppingRule
from mvt_nas.tasks.base import Task, task_from_dict

if TYPE_CHECKING:
    from mvt_nas.space.search_space import SearchSpace

FORMAT = 1
"""Version of the format of run folders."""

DEFAULT_COSTS = ("latency_ms:min", "params:min")
"""Further objectives after the accuracy, where none are given."""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How proxies are evaluated."""

    resolution_px: int = setting(
        FieldSpec(int, "Side of the images that proxies see, in pixels.", low=16, high=4096),
        default=64,
        option=Option("--score-px", "PX"),
    )
    images: int = setting(
        FieldSpec(int, "Number of images in the batch that proxies see.", low=2, high=65_536),
        default=16,
        option=Option("--score-images", "N"),
    )
    # The scored network classifies scikit-learn's digits, of which there are ten classes.
    num_classes: int = setting(
        FieldSpec(int, "Number of outputs of the scored network.", low=1, high=1_000_000),
        default=10,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """The configuration of a run; its fields are in the order of ``run.yaml``."""

    objectives: tuple[Objective, ...] = setting(
        FieldSpec(tuple, "What to optimise, such as accuracy or latency_ms@DEVICE."),
        codec=list_codec(Objective.parse),
        option=Option(
            "--objective",
            "NAME[:min|max]",
            default=(
                "imagenet_top1 from 128 px, accuracy up to 64 px; "
                + listing(text.partition(":")[0] for text in DEFAULT_COSTS)
            ),
            repeated=True,
        ),
    )
    budgets: tuple[Budget, ...] = setting(
        FieldSpec(tuple, "Upper or lower bound on a metric, such as 'latency_ms<=15'."),
        codec=list_codec(Budget.parse),
        option=Option("--budget", "'NAME<=VALUE'", repeated=True),
    )
    trials: int = setting(
        FieldSpec(int, "Number of candidates to evaluate, published models included.", low=1),
        default=200,
        option=Option("--trials", "N"),
        affects_result=False,
    )
    sampler: str = setting(
        FieldSpec(
            str,
            "Search algorithm: mvt, nsga2, nsga3, tpe, gp, random, qmc or exhaustive.",
        ),
        default="mvt",
        option=Option("--sampler", "NAME"),
    )
    seed: int = setting(
        FieldSpec(int, "Random seed.", low=0, high=2**32 - 1),
        default=0,
        option=Option("--seed", "S"),
    )
    # Proposals between two looks at results; never the number of workers, so that the result does
    # not depend on how many there are.
    batch: int = setting(
        FieldSpec(
            int,
            "Candidates to propose before the sampler sees their results.",
            low=1,
            high=1_000_000,
        ),
        default=16,
        option=Option("--batch", "N"),
    )
    warm_start: bool = setting(
        FieldSpec(bool, "Do not evaluate the published models in the space first."),
        default=True,
        option=Option("--no-warm-start"),
    )
    num_classes: int = setting(
        FieldSpec(
            int,
            "Number of classes of the networks for which costs are counted.",
            low=1,
            high=1_000_000,
        ),
        default=1000,
        option=Option("--num-classes", "N"),
    )
    scoring: Scoring = setting(
        FieldSpec(Scoring, "How proxies are evaluated."),
        default=Scoring(),
        codec=nested_codec(Scoring),
    )
    reference: Mapping[str, float] = setting(
        FieldSpec(dict, "Reference point of the hypervolume, by metric."),
        default={},
        codec=mapping_codec(),
        affects_result=False,
    )
    devices: Mapping[str, str] = setting(
        FieldSpec(dict, "Content hash of the profile of each device, by the device's name."),
        default={},
        codec=mapping_codec(),
        if_missing={},
    )
    tasks: Mapping[str, Mapping[str, Any]] = setting(
        FieldSpec(
            dict,
            "Also count costs with a detection or segmentation head, as segmentation.latency_ms"
            " and so on; fields are num_classes and resolution_px, for example.",
        ),
        default={},
        codec=mapping_codec(),
        option=Option("--task", "NAME[,FIELD=VALUE]", repeated=True),
        if_missing={},
    )
    accuracy: Mapping[str, str] = setting(
        FieldSpec(
            dict, "Table of trained networks to predict accuracy with (see mvt-nas bench train)."
        ),
        default={},
        codec=mapping_codec(),
        option=Option(
            "--accuracy-table",
            "TABLE",
            parameter="accuracy_table",
            default="the shipped one",
            is_file=True,
        ),
        if_missing={},
    )
    training: CandidateTraining | None = setting(
        FieldSpec(CandidateTraining, "How candidates are trained, if they are."),
        default=None,
        codec=TRAINING_CODEC,
        if_missing={},
    )
    stop_when: StoppingRule = setting(
        FieldSpec(
            StoppingRule,
            "Stop early when the front's hypervolume has grown by at most 0.1 % over the last N"
            " candidates; 'never' disables early stopping.",
        ),
        default=NEVER,
        codec=STOPPING_RULE_CODEC,
        option=Option("--stop-when", "stalled:N"),
        if_missing="never",
        affects_result=False,
    )
    versions: Mapping[str, str] = setting(
        FieldSpec(dict, "Versions of the software that computed the scores, and the processor."),
        default={},
        codec=mapping_codec(),
        affects_result=False,
    )
    source: str = setting(
        FieldSpec(
            str,
            "Name of the shipped space, or path of its file from the run folder; empty if neither.",
        ),
        default="",
        if_missing="",
        affects_result=False,
    )
    space_hash: str = setting(FieldSpec(str, "Content hash of the space."))
    space: Mapping[str, Any] = setting(
        FieldSpec(dict, "Document of the space, with ``extends`` and ``fix`` applied."),
        codec=mapping_codec(),
        affects_result=False,  # its hash decides
    )

    @property
    def costly(self) -> list[Metric]:
        """The metrics that only an evaluation gives."""
        return costly_metrics(self.objectives, self.budgets)

    @property
    def known_budgets(self) -> list[Budget]:
        """The budgets that are checked before anything is evaluated."""
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
        """Return the task of the run with a name; ``None`` stands for classification.

        Raises:
            ArchitectureError: The task's fields are invalid.
        """
        if kind is None:
            return None
        return task_from_dict({"task": kind} | dict(self.tasks[kind]), f"tasks.{kind}")

    @property
    def name(self) -> str:
        """The name of the space."""
        return str(self.space.get("name", "space"))

    def search_space(self) -> SearchSpace:
        """Return the space of the run.

        Raises:
            RunError: The space is not the one with which the run was started.
        """
        # Spaces need NumPy and YAML, which --help does not wait for.
        from mvt_nas.space.search_space import SearchSpace

        space = SearchSpace(self.space, self.name)
        if space.hash != self.space_hash:
            raise RunError(
                f"the run's copy of the space {self.name} was changed (hash {space.hash}, not"
                f" {self.space_hash}); restore run.yaml"
            )
        return space

    def to_dict(self) -> dict[str, Any]:
        """Return the configuration as plain data for ``run.yaml``."""
        return {"format": FORMAT} | write_settings(self)

    @staticmethod
    def from_dict(data: object, where: str) -> RunConfig:
        """Return the configuration in the data of a ``run.yaml``.

        Raises:
            RunError: The data have a newer format, or a setting is unknown, missing or not
                allowed; ``where`` begins the message.
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
        stored = {name: value for name, value in data.items() if name != "format"}
        try:
            config = RunConfig(**read_settings(RunConfig, stored))
            _check_names(config)
        except MvtNasError as error:
            raise RunError(f"{where}: damaged ({error}); restore it or start a new run") from None
        return config


def _check_names(config: RunConfig) -> None:
    """Check that the configuration has the devices and tasks that its metrics name.

    Raises:
        MetricError: A device or task is missing.
        ArchitectureError: The fields of a task are invalid.
    """
    for metric in _unknown_devices(config.metrics, config.devices):
        known = listing(config.devices) or "none"
        raise MetricError(f"unknown device in {metric.full_name!r} (known: {known})")
    for kind in (*config.tasks, *(metric.task for metric in config.metrics)):
        if kind is not None and not isinstance(config.tasks.get(kind), Mapping):
            raise ArchitectureError(f"tasks.{kind}: missing; a mapping of the task's fields")
        config.task(kind)


def _unknown_devices(metrics: Iterable[Metric], known: Iterable[str]) -> list[Metric]:
    """Return the latencies among some metrics whose device is not known."""
    names = set(known)
    return [metric for metric in metrics if metric.is_latency and metric.device not in names]


def differences(old: RunConfig, new: RunConfig) -> list[str]:
    """Return a description of each setting in which two runs would give different results."""
    there, here = result_settings(old), result_settings(new)
    return [
        f"{name} is {_format(there[name])} there, {_format(here[name])} here"
        for name in there
        if there[name] != here[name]
    ]


def _format(value: object) -> str:
    if isinstance(value, dict):
        value = [f"{name} {part}" for name, part in value.items()]
    return listing(value) or "none" if isinstance(value, list) else str(value)
