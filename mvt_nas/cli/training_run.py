"""What ``mvt-nas train`` does: train, export the best weights, and print the result."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.render import print_json, print_table
from mvt_nas.cli.training_job import new_job, resumed_job
from mvt_nas.cli.training_progress import TrainingProgress
from mvt_nas.export.model import export_model
from mvt_nas.export.verification import export_all, usable_target
from mvt_nas.training.accelerator import AcceleratorConfig
from mvt_nas.training.api import train
from mvt_nas.training.history import METRIC_TITLES, ValidationMetrics, format_share
from mvt_nas.training.job import TrainingJob
from mvt_nas.training.reliability import few_steps, guessing
from mvt_nas.training.result import TrainingResult


def run_training(
    network: str | None,
    recipe: str | None,
    out: Path | None,
    resume: bool,
    targets: tuple[str, ...],
    as_json: bool,
    given: dict[str, Any],
) -> None:
    """Train a network, export its best weights, and print the result.

    Args:
        network: Name, file or folder of the network; ``None`` to resume the training in ``out``.
        recipe: Name of the recipe; ``None`` for the default.
        out: Folder of the training.
        resume: Whether to resume it.
        targets: Names of the targets to export to.
        as_json: Whether to print JSON.
        given: All other options of the command that have a value, by their Python names.

    Raises:
        MvtNasError: The training is impossible.
    """
    if resume and network is None:
        job, threads = resumed_job(out, given)
    else:
        # Torch chooses the number of threads.
        job, threads = new_job(network, recipe, given), 0
    folder = out or Path("trained") / job.name
    _check_targets(targets, job)
    with TrainingProgress() as progress:
        callbacks = progress.callbacks(job.recipe.optimisation.epochs, job.kind)
        result = train(job, folder, _accelerator(given, threads), callbacks)
    if not result.is_global_zero:
        return
    exported = _export(result, targets)
    if as_json:
        print_json(_to_data(result) | {"exported": exported})
    else:
        _print_result(result, exported)


def _accelerator(given: dict[str, Any], threads: int) -> AcceleratorConfig:
    names = (
        "device",
        "devices",
        "precision",
        "workers",
        "threads",
        "checkpoint_steps",
        "tensorboard",
    )
    chosen = {name: given[name] for name in names if name in given}
    return AcceleratorConfig(**({"threads": threads} | chosen))


def _check_targets(targets: tuple[str, ...], job: TrainingJob) -> None:
    """Check, before the training, that all targets exist and take such networks."""
    for name in targets:
        usable_target(name, job.task)


def _export(result: TrainingResult, targets: tuple[str, ...]) -> list[str]:
    """Export the best weights; return the files."""
    if not targets:
        return []
    job, folder = result.job, result.folder
    model = export_model(
        job.name,
        job.architecture,
        num_classes=len(result.class_names),
        weights=folder.weights,
        task=job.task,
    )
    exports = export_all(model, targets, folder.path / "exported")
    wrong = [export.target for export in exports if not export.same]
    if wrong:
        raise click.ClickException(
            f"exported networks give other results: {', '.join(wrong)}; mvt-nas export shows the"
            " differences"
        )
    return [str(file) for export in exports for file in export.files]


def _to_data(result: TrainingResult) -> dict[str, Any]:
    return {
        "name": result.job.name,
        "epochs": len(result.history),
        "best": {"epoch": result.best.epoch, "averaged": result.averaged},
        "judged": {
            name: {"loss": metrics.loss, **metrics.shares, **_intervals(metrics)}
            for name, metrics in _metrics(result).items()
        },
        "folder": str(result.folder.path),
        "weights": str(result.folder.weights),
        "network": str(result.folder.network),
        "unreadable": list(result.unreadable),
    }


def _intervals(metrics: ValidationMetrics) -> dict[str, Any]:
    """Return the 90 % intervals of shares of images, 0 to 1; nothing for other metrics."""
    intervals = metrics.intervals()
    return {"intervals": intervals} if intervals else {}


def _metrics(result: TrainingResult) -> dict[str, ValidationMetrics]:
    return {"best": result.evaluation.metrics, "last_averaged": result.last_evaluation.metrics}


def _print_result(result: TrainingResult, exported: list[str]) -> None:
    weights = [
        f"best: epoch {result.best.epoch}{', averaged' if result.averaged else ''}",
        f"last: epoch {len(result.history)}, averaged",
    ]
    rows = []
    for name, metrics in zip(weights, _metrics(result).values(), strict=True):
        shares = [format_share(share, metrics) for share in metrics.shares.values()]
        rows.append([name, f"{metrics.loss:.4f}", *shares])
    titles = [f"{title} %" for title in METRIC_TITLES[result.job.kind].values()]
    print_table(["weights", "loss", *titles], rows)
    for name in result.unreadable:
        click.echo(f"Unreadable: {name}", err=True)
    for note in _notes(result):
        click.echo(note)
    folder = result.folder
    plots = " and ".join(path.name for path in result.plots)
    click.echo(
        f"\nThe best weights are in {folder.weights}; curves, checkpoints and {plots} are in the"
        " same folder."
    )
    for file in exported:
        click.echo(f"  {file}")
    if not exported:
        click.echo(f"Export them:  mvt-nas export {folder.path} --to onnx")


def _notes(result: TrainingResult) -> Iterator[str]:
    """Yield sentences on what the accuracy of a training cannot show."""
    steps = sum(record.steps for record in result.history)
    batch = result.job.recipe.batches.images
    few = few_steps(steps, len(result.history), batch, epochs_name="--epochs", batch_name="--batch")
    if few is not None:
        yield few
    metrics = result.evaluation.metrics
    if metrics.images is None:
        return
    classes = len(result.class_names)
    chance = guessing([100 * metrics.main], metrics.images, classes, "Raise --epochs")
    if chance is not None:
        yield chance
