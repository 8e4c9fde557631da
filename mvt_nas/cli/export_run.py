"""What ``mvt-nas export`` does: build the network, export it, compare, time, and print."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.network_spec import DEFAULT_CLASSES, ResolvedNetwork, resolve_network
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.errors import DataError, ExportError, listing
from mvt_nas.export.base import TARGETS, ExportModel
from mvt_nas.export.image_check import ImageCheck, check_on_images
from mvt_nas.export.model import export_model, task_with_classes
from mvt_nas.export.verification import (
    PYTORCH,
    ExportResult,
    export_all,
    time_exports,
    usable_target,
)
from mvt_nas.latency.timing.stopwatch import Timing
from mvt_nas.training.config import TrainingConfig


def resolve_model(
    network: str | None,
    targets: tuple[str, ...],
    weights: Path | None,
    task: str | None,
    num_classes: int | None,
) -> tuple[ExportModel, ResolvedNetwork]:
    """Return the model to export, and the network that it is built from.

    Args:
        network: Specification of the network.
        targets: Names of the targets.
        weights: Checkpoint to load.
        task: Task of the head, with its fields.
        num_classes: Number of classes.

    Raises:
        MvtNasError: An argument is missing or refused.
    """
    if not targets:
        raise ExportError(f"--to is missing; one or several of {listing(TARGETS.names())}")
    export_task = task_with_classes(task, num_classes)
    for name in targets:
        usable_target(name, export_task)
    if network is None:
        raise ExportError(
            "a network is missing; a training, a published model, an architecture file or a"
            " candidate RUN:ID"
        )
    resolved = resolve_network(network)
    if task is None and resolved.task is not None:
        export_task = resolved.task
        for name in targets:
            usable_target(name, export_task)
    model = export_model(
        resolved.stem,
        resolved.architecture,
        num_classes=num_classes or resolved.num_classes or DEFAULT_CLASSES,
        weights=weights or resolved.weights,
        task=export_task,
    )
    return model, resolved


def export_and_print(
    model: ExportModel,
    targets: tuple[str, ...],
    out: Path,
    config: TrainingConfig | None,
    max_images: int,
    measure_seconds: float,
    as_json: bool,
) -> bool:
    """Export a model, print the checks of the exports, and return True if all gave the same.

    Args:
        model: Model to export.
        targets: Names of the targets.
        out: Folder of the exports.
        config: Configuration of the training of the model, if there was one.
        max_images: Largest number of its validation images to compare on.
        measure_seconds: Duration of each latency measurement, in seconds; 0 for none.
        as_json: Whether to print JSON.

    Raises:
        ExportError: An export is impossible.
    """
    results = export_all(model, targets, out)
    timings = time_exports(model, results, seconds=measure_seconds) if measure_seconds else {}
    check = _image_check(config, model, results, max_images)
    if as_json:
        print_json([_as_data(result, timings, check) for result in results])
    else:
        _print_results(results, timings, model.weights, check)
    return all(result.same for result in results)


def _image_check(
    config: TrainingConfig | None, model: ExportModel, results: list[ExportResult], max_images: int
) -> ImageCheck | None:
    """Compare a trained classifier with its exports on the validation images of the training.

    Returns:
        The comparison; ``None`` without a training or images, and with a warning if the images are
        no longer available.
    """
    if config is None or config.training is None or model.task is not None or not max_images:
        return None
    try:
        return check_on_images(model, results, config, max_images)
    except DataError as error:
        click.echo(
            f"warning: not compared on the validation images of the training: {error}", err=True
        )
        return None


def _as_data(
    result: ExportResult, timings: dict[str, Timing], check: ImageCheck | None
) -> dict[str, Any]:
    timing = timings.get(result.target)
    return {
        "target": result.target,
        "files": [str(file) for file in result.files],
        "same": result.same,
        "params": result.params,
        "params_equal": result.params_equal,
        "max_abs_diff": result.max_abs_diff,
        "largest": result.largest,
        "batches": list(result.batches),
        "latency_ms": None if timing is None else timing.ms,
        "pictures": _check_data(result, check),
        "notes": list(result.notes),
    }


def _check_data(result: ExportResult, check: ImageCheck | None) -> dict[str, Any] | None:
    if check is None or result.target not in check.top1:
        return None
    return {
        "count": check.count,
        "top1": check.top1[result.target],
        "pytorch_top1": check.pytorch_top1,
        "alike": check.agreements[result.target],
    }


def _print_results(
    results: list[ExportResult],
    timings: dict[str, Timing],
    weights: str,
    check: ImageCheck | None,
) -> None:
    click.echo(f"Weights: {weights}.")
    print_table(
        ["target", "network", "params", "largest difference", "ms", "files"],
        [_table_row(result, timings) for result in results],
        text_columns=2,
    )
    if timings:
        click.echo(
            f"PyTorch itself takes {timings[PYTORCH].ms:.2f} ms, one thread, in the same rounds."
        )
    if check is not None:
        click.echo(
            f"Of {check.count} validation images of the training, PyTorch classifies"
            f" {100 * check.pytorch_top1:.2f} % correctly;"
        )
        for name, top1 in check.top1.items():
            click.echo(
                f"  {name}: {100 * top1:.2f} %, the same class as PyTorch for"
                f" {check.agreements[name]}"
            )
    for result in results:
        for note in result.notes:
            click.echo(f"{result.target}: {note}")


def _table_row(result: ExportResult, timings: dict[str, Timing]) -> list[str]:
    checked = result.max_abs_diff is not None or result.params_equal is not None
    verdict = "not checked"
    if checked:
        verdict = "same" if result.same else "OTHER"
    difference = "-"
    if result.max_abs_diff is not None:
        difference = f"{result.max_abs_diff:.1e} of {result.largest:.2g}"
    timing = timings.get(result.target)
    return [
        result.target,
        verdict,
        {True: f"{result.params:,}", False: "differ", None: "-"}[result.params_equal],
        difference,
        "-" if timing is None else f"{timing.ms:.2f}",
        _format_files(result),
    ]


def _format_files(result: ExportResult) -> str:
    """Return the path of the first file, and suffixes or names of the others."""
    first, *others = result.files
    short_names = [other.suffix if other.stem == first.stem else other.name for other in others]
    return ", ".join([str(first), *short_names])
