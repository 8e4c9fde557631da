"""From the arguments of a search to its complete configuration and inputs.

A request holds what a user gave; ``None`` means "not given". Resolving it fills in the settings of
the run that is resumed, or else the defaults, gives metrics their full names, and finds the
devices, tables and images behind them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path

from mvt_nas._settings import merge_settings
from mvt_nas.data.dataset import ImageDataset
from mvt_nas.data.load import load_images
from mvt_nas.errors import ArchitectureError, MetricError
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.problem.accuracy_model import AccuracyModel, load_accuracy_model
from mvt_nas.nas.problem.config import DEFAULT_COSTS, RunConfig, Scoring
from mvt_nas.nas.problem.default_accuracy import default_accuracy
from mvt_nas.nas.problem.device_profiles import DeviceProfiles
from mvt_nas.nas.problem.environment import environment
from mvt_nas.nas.problem.inputs import SearchInputs
from mvt_nas.nas.problem.objectives import Budget, Objective, parse_budgets, parse_objectives
from mvt_nas.nas.problem.short_training import DEFAULT_DATA, CandidateTraining
from mvt_nas.nas.validation import check_resumable, check_sampler
from mvt_nas.space.search_space import SearchSpace
from mvt_nas.tasks.base import TASKS, Task, task_from_text
from mvt_nas.training.protocol_size import load_protocol
from mvt_nas.training.short_recipe import ShortRecipe


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """How to train candidates, as far as a user gave it.

    What is ``None`` is that of the run that is resumed, or else its default.

    Attributes:
        data: A folder with one folder per class, ``.npz``, Parquet, or ``digits``; by default the
            digits.
        protocol: The training recipe, or its YAML file; by default ten epochs or more at 32 px,
            scaled to the number of images.
        limit: Maximum number of images per class to read; by default all are read.
        device: ``auto``, ``cpu`` or ``cuda``; by default ``auto``.
        rungs: Epochs after which trainings pause, and only the best are resumed; by default all
            candidates are fully trained.
        keep: Share of trainings that are resumed at each rung; by default a third.
    """

    data: str | None = None
    protocol: ShortRecipe | str | Path | None = None
    limit: int | None = None
    device: str | None = None
    rungs: tuple[int, ...] | None = None
    keep: float | None = None

    @property
    def given(self) -> list[str]:
        """Names of the settings that were given."""
        return [one.name for one in fields(self) if getattr(self, one.name) is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What a user asked a search for; ``None`` means "not given".

    Attributes:
        space: The space, with ``fix`` applied.
        source: Name of the shipped space, or path of its file from the run folder; empty if
            neither.
        objectives: Objectives as texts, or parsed.
        budgets: Budgets as texts, or parsed.
        tasks: Tasks as texts; those that metrics name need not be among them.
        accuracy_table: File of the trained networks with which accuracy is predicted.
        images: How to train candidates.
        scoring: How to evaluate proxies: all settings, or the given ones by name.
        settings: The other settings of :class:`RunConfig` by name.
    """

    space: SearchSpace
    source: str = ""
    objectives: Sequence[str | Objective] | None = None
    budgets: Sequence[str | Budget] | None = None
    tasks: Sequence[str] | None = None
    accuracy_table: str | Path | None = None
    images: TrainingImages | None = None
    scoring: Scoring | Mapping[str, object] | None = None
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PreviousRun:
    """The run that a search resumes.

    Attributes:
        folder: Its folder.
        config: Its configuration.
        inputs: Its inputs, read from the folder.
    """

    folder: Path
    config: RunConfig
    inputs: SearchInputs


def resolve_request(
    request: SearchRequest, previous: PreviousRun | None = None
) -> tuple[RunConfig, SearchInputs]:
    """Return the complete configuration and inputs of a search.

    The configuration of a new search lacks the reference point only, which depends on the costs of
    the whole space.

    Args:
        request: What the user asked for.
        previous: The run that is resumed, if there is one.

    Raises:
        MetricError: A setting is not allowed, or is of no use to this search.
        PluginError: The sampler is unknown.
        ArchitectureError: A task is unknown, or given twice.
        LatencyError: A device is unknown.
        AccuracyError: The table of trained networks cannot be used.
        DataError: The images cannot be used.
        TrainingError: The training recipe or the rungs cannot be used.
        RunError: The run that is resumed has other settings.
    """
    devices = DeviceProfiles(previous.inputs.devices if previous else None)
    objectives = _resolve_objectives(request, previous, devices)
    budgets = _resolve_budgets(request, previous, devices)
    metrics = [one.metric for one in objectives] + [one.metric for one in budgets]
    inputs = SearchInputs(
        devices.found,
        _resolve_accuracy(request, previous, metrics),
        tasks_of(metrics, request.tasks or (), previous.inputs.tasks if previous else None),
    )
    resolved = inputs.recorded() | {
        "space": request.space.document,
        "space_hash": request.space.hash,
        "source": request.source,
        "objectives": objectives,
        "budgets": budgets,
        "training": _resolve_training(request, previous, metrics),
        "scoring": _resolve_scoring(request, previous),
        "versions": environment(),
    }
    settings = merge_settings(
        RunConfig, request.settings, previous.config if previous else None, resolved=resolved
    )
    config = RunConfig(**settings)
    check_sampler(config.sampler)
    if previous is not None:
        return check_resumable(config, previous.config, previous.folder), previous.inputs
    return config, inputs


def default_objectives(accuracy: str, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the default objectives: accuracy, latency and parameters.

    With one task, latency and parameters are those of the task; with several tasks, the objectives
    are accuracy and the latency of each task.

    Args:
        accuracy: Metric of accuracy.
        tasks: Tasks as texts.
    """
    first = f"{accuracy}:max"
    parsed = [task_from_text(text) for text in tasks]
    kinds = [task.kind for task in parsed if task is not None]
    if not kinds:
        return (first, *DEFAULT_COSTS)
    costs = ("latency_ms", "params") if len(kinds) == 1 else ("latency_ms",)
    of_tasks = [f"{Metric.parse(cost).for_task(kind)}:min" for kind in kinds for cost in costs]
    return (first, *of_tasks)


def tasks_of(
    metrics: Sequence[Metric], texts: Sequence[str], previous: Mapping[str, Task] | None = None
) -> dict[str, Task]:
    """Return the tasks of a search by name, in alphabetical order.

    They are those in ``texts``, or else those of the run that is resumed; and, with their default
    fields, those that only metrics name.

    Raises:
        ArchitectureError: A task is unknown, or given twice.
    """
    found: dict[str, Task] = {}
    for text in texts:
        task = task_from_text(text)
        if task is None:
            continue
        if task.kind in found:
            raise ArchitectureError(f"{task.kind} is given twice", parameter="tasks")
        found[task.kind] = task
    if not found:
        found = dict(previous or {})
    for metric in metrics:
        kind = metric.task
        if kind is not None and kind not in found:
            found[kind] = TASKS.get(kind)()
    return dict(sorted(found.items()))


def _resolve_objectives(
    request: SearchRequest, previous: PreviousRun | None, devices: DeviceProfiles
) -> tuple[Objective, ...]:
    given: Sequence[str | Objective]
    if request.objectives is not None:
        given = request.objectives
    elif previous is not None:
        given = previous.config.objectives
    else:
        accuracy = default_accuracy(request.space, has_table=request.accuracy_table is not None)
        given = default_objectives(accuracy, request.tasks or ())
    _check_texts("objectives", given, Objective)
    _keep_devices(given, devices)
    return tuple(parse_objectives(given, devices.resolve))


def _resolve_budgets(
    request: SearchRequest, previous: PreviousRun | None, devices: DeviceProfiles
) -> tuple[Budget, ...]:
    given: Sequence[str | Budget]
    if request.budgets is not None:
        given = request.budgets
    else:
        given = previous.config.budgets if previous is not None else ()
    _check_texts("budgets", given, Budget)
    _keep_devices(given, devices)
    return tuple(parse_budgets(given, devices.resolve))


def _keep_devices(
    given: Sequence[str | Objective] | Sequence[str | Budget], devices: DeviceProfiles
) -> None:
    """Take the devices of parsed objectives and budgets from the run that is resumed."""
    for one in given:
        if not isinstance(one, str):
            devices.keep(one.metric)


def _check_texts(name: str, given: object, kind: type) -> None:
    is_list = isinstance(given, Sequence) and not isinstance(given, str)
    if not is_list or not all(isinstance(one, str | kind) for one in given):  # type: ignore[attr-defined]  # a sequence
        raise MetricError(f"{given!r} is not allowed; a list of texts", parameter=name)


def _resolve_accuracy(
    request: SearchRequest, previous: PreviousRun | None, metrics: Sequence[Metric]
) -> AccuracyModel | None:
    """Return the trained networks: the given ones, those of the run, or the shipped ones."""
    if request.accuracy_table is not None:
        return load_accuracy_model(Path(request.accuracy_table))
    stored = previous.inputs.accuracy if previous is not None else None
    if stored is None and any(metric.from_surrogate for metric in metrics):
        return load_accuracy_model()
    return stored


def _resolve_scoring(request: SearchRequest, previous: PreviousRun | None) -> Scoring:
    scoring = request.scoring or {}
    if isinstance(scoring, Scoring):
        scoring = {one.name: getattr(scoring, one.name) for one in fields(scoring)}
    stored = previous.config.scoring if previous is not None else None
    return Scoring(**merge_settings(Scoring, scoring, stored, where="scoring."))


def _resolve_training(
    request: SearchRequest, previous: PreviousRun | None, metrics: Sequence[Metric]
) -> CandidateTraining | None:
    images = request.images or TrainingImages()
    if all(metric.source is not Source.TRAINED for metric in metrics):
        if images.given:
            raise MetricError(
                f"of use with the objective {TRAINED} only",
                parameter=f"pictures.{images.given[0]}",
            )
        return None
    stored = previous.config.training if previous is not None else None
    if stored is not None:
        if not images.given:
            return stored
        images = _merge_training(images, stored)
    data = DEFAULT_DATA if images.data is None else images.data
    return CandidateTraining.of(
        data,
        protocol=load_protocol(images.protocol, partial(_load_images, data, images.limit)),
        limit=images.limit,
        device="auto" if images.device is None else images.device,
        rungs=() if images.rungs is None else images.rungs,
        keep=images.keep,
    )


def _load_images(data: str, limit: int | None, protocol: ShortRecipe) -> ImageDataset:
    return load_images(data, protocol.pixels, limit=limit, seed=protocol.split_seed)


def _merge_training(given: TrainingImages, stored: CandidateTraining) -> TrainingImages:
    """Return what was given, and for the rest the settings of the run that is resumed."""
    rungs = stored.rungs if given.rungs is None else given.rungs
    # Without rungs, the stored share is a default that nobody gave.
    stored_keep = stored.keep if rungs else None
    # A limit belongs to its images.
    stored_limit = stored.limit if given.data is None else None
    return replace(
        given,
        data=stored.data if given.data is None else given.data,
        protocol=stored.protocol if given.protocol is None else given.protocol,
        limit=stored_limit if given.limit is None else given.limit,
        device=stored.device if given.device is None else given.device,
        rungs=rungs,
        keep=stored_keep if given.keep is None else given.keep,
    )
