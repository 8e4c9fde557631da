"""From what people ask for to what a search needs: metrics by their full names, and the devices, tables and pictures behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mvt_nas.errors import ArchitectureError, MetricError
from mvt_nas.metrics.metric import Metric, Source
from mvt_nas.metrics.names import TRAINED
from mvt_nas.nas.problem.accuracy_model import AccuracyModel, load_accuracy_model
from mvt_nas.nas.problem.config import RunConfig
from mvt_nas.nas.problem.device_profiles import DeviceProfiles
from mvt_nas.nas.problem.inputs import SearchInputs, read_inputs
from mvt_nas.nas.problem.objectives import Budget, Objective, parse_budgets, parse_objectives
from mvt_nas.nas.problem.short_training import KEEP, CandidateTraining
from mvt_nas.tasks.base import TASKS, Task, task_from_text
from mvt_nas.training.short_recipe import ShortRecipe


@dataclass(frozen=True, slots=True)
class TrainingImages:
    """With which candidates are trained, where they are.

    Attributes:
        data: a folder by class, ``.npz``, Parquet, or ``digits``; ``None`` for those of a run that
            goes on, or else the digits.
        protocol: the recipe, or its file; by default ten epochs at 32 px.
        limit: pictures per class that are read.
        device: ``auto``, ``cpu`` or ``cuda``.
        rungs: epochs after which trainings pause, and only a part of them goes on.
        keep: that part.
    """

    data: str | None = None
    protocol: ShortRecipe | str | Path | None = None
    limit: int | None = None
    device: str = "auto"
    rungs: tuple[int, ...] = ()
    keep: float = KEEP


@dataclass(frozen=True, slots=True)
class ResolvedRequest:
    """What a search was asked for.

    Attributes:
        objectives: with full names.
        budgets: with full names.
        inputs: the devices and trained networks that they need.
        training: how candidates are trained; ``None`` where they are not.
    """

    objectives: tuple[Objective, ...]
    budgets: tuple[Budget, ...]
    inputs: SearchInputs
    training: CandidateTraining | None

    def into(self, config: RunConfig) -> RunConfig:
        """Return a configuration with all of it."""
        recorded = self.inputs.recorded()
        return replace(
            config,
            objectives=self.objectives,
            budgets=self.budgets,
            devices=recorded["devices"],
            tasks=recorded["tasks"],
            accuracy=recorded["accuracy"],
            training=self.training,
        )


def resolve_request(
    objectives: Sequence[str | Objective],
    budgets: Sequence[str | Budget],
    *,
    tasks: Sequence[str] = (),
    accuracy_table: str | Path | None = None,
    pictures: TrainingImages = TrainingImages(),
    old: tuple[Path, RunConfig] | None = None,
) -> ResolvedRequest:
    """Return what is asked for.

    Args:
        objectives: as texts.
        budgets: as texts.
        tasks: as texts; those that metrics name need not be among them.
        accuracy_table: file of trained networks; by default the run's own, else the one that ships.
        pictures: with which candidates are trained.
        old: folder and configuration of a run that goes on.

    Raises:
        MetricError: a text cannot be read, or something is given that nothing needs.
        ArchitectureError: there is no such task, or it is given twice.
        LatencyError: there is no such device.
        AccuracyError: the table cannot be used.
        DataError: the pictures cannot be used.
    """
    _check_kinds("objectives", objectives, Objective)
    _check_kinds("budgets", budgets, Budget)
    kept = read_inputs(*old) if old else SearchInputs()
    names = DeviceProfiles(kept.devices)
    both: list[str | Objective | Budget] = [*objectives, *budgets]
    for one in both:
        if not isinstance(one, str):
            names.keep(one.metric)
    aims, bounds = (
        tuple(parse_objectives(objectives, names.resolve)),
        tuple(parse_budgets(budgets, names.resolve)),
    )
    metrics = [aim.metric for aim in aims] + [bound.metric for bound in bounds]
    inputs = SearchInputs(
        names.found,
        _accuracy(metrics, accuracy_table, kept.accuracy),
        tasks_of(metrics, tasks, kept.tasks),
    )
    return ResolvedRequest(
        aims, bounds, inputs, _training(metrics, pictures, old[1].training if old else None)
    )


def _check_kinds(name: str, texts: object, kind: type) -> None:
    if (
        isinstance(texts, str)
        or not isinstance(texts, Sequence)
        or not all(isinstance(text, str | kind) for text in texts)
    ):
        raise MetricError(f"{name} = {texts!r} is not allowed; a list of texts")


def tasks_of(
    metrics: Sequence[Metric], texts: Sequence[str], kept: Mapping[str, Task] | None = None
) -> dict[str, Task]:
    """Return the tasks by name: those in texts, or those of the run that goes on, and with its defaults whatever metrics name else.

    Raises:
        ArchitectureError: there is no such task, or it is given twice.
    """
    found: dict[str, Task] = {}
    for text in texts:
        task = task_from_text(text)
        if task is not None and found.setdefault(task.kind, task) is not task:
            raise ArchitectureError(f"--task {task.kind} is given twice")
    found = found or dict(kept or {})
    for metric in metrics:
        kind = metric.task
        if kind is not None and kind not in found:
            found[kind] = TASKS.get(kind)()
    return dict(sorted(found.items()))


def _accuracy(
    metrics: Sequence[Metric], path: str | Path | None, kept: AccuracyModel | None
) -> AccuracyModel | None:
    if path is not None:
        return load_accuracy_model(Path(path))
    if kept is None and any(metric.from_surrogate for metric in metrics):
        return load_accuracy_model()
    return kept


def _training(
    metrics: Sequence[Metric], pictures: TrainingImages, kept: CandidateTraining | None
) -> CandidateTraining | None:
    given = pictures != TrainingImages()
    if all(metric.source is not Source.TRAINED for metric in metrics):
        if given:
            raise MetricError(
                f"pictures and how to train on them are of use to --objective {TRAINED} only"
            )
        return None
    if kept is not None and not given:
        return kept
    protocol = pictures.protocol
    if protocol is None and kept is not None:
        protocol = kept.protocol
    elif isinstance(protocol, str | Path):
        protocol = ShortRecipe.load(protocol)
    data, limit, device, rungs, keep = (
        pictures.data,
        pictures.limit,
        pictures.device,
        pictures.rungs,
        pictures.keep,
    )
    if kept is not None:
        rungs, keep = rungs or kept.rungs, keep if keep != KEEP else kept.keep
        data, limit = (data, limit) if data else (kept.data, kept.limit if limit is None else limit)
    data = data or "digits"
    return CandidateTraining.of(
        data, protocol=protocol, limit=limit, device=device, rungs=rungs, keep=keep
    )
