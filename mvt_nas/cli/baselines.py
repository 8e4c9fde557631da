"""Baselines on the command line: loading, measurement, keeping them with a run, and printing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mvt_nas.metrics.metric import Metric
from mvt_nas.metrics.names import LATENCY
from mvt_nas.nas.baselines.latency import measure_baselines, unmeasured_devices, write_measured
from mvt_nas.nas.baselines.prediction import with_predictions
from mvt_nas.nas.baselines.specification import LoadedBaseline, load_baselines
from mvt_nas.nas.measure_front import SECONDS
from mvt_nas.nas.problem.device_profiles import DeviceProfiles, Devices, read_devices
from mvt_nas.nas.runs.folder import read_config
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.baseline_comparison import (
    compare_baselines,
    comparison_summary,
    format_baseline_value,
    origin_of,
    shown_metrics,
)
from mvt_nas.report.formatting import format_number


def load_search_baselines(folder: Path | None, texts: Sequence[str]) -> list[LoadedBaseline]:
    """Return the baselines of a search that is about to start or to be resumed.

    Args:
        folder: Folder of the run to resume; ``None`` for a new run.
        texts: Values of ``--baseline``.

    Raises:
        BaselineError: A text cannot be read, or a network cannot be loaded or counted.
    """
    if not texts:
        return []
    if folder is None:
        return _load(texts, {})
    config = read_config(folder)
    return _load(texts, read_devices(folder, config.devices, config.metrics))


def add_baselines(
    run: Run, baselines: Sequence[LoadedBaseline], *, seconds: float | None
) -> tuple[Run, bool]:
    """Predict and measure metrics of baselines, and keep the baselines in the folder of a run.

    Args:
        run: Run to compare with the baselines.
        baselines: Loaded networks.
        seconds: Duration of the timing per network and device that is this machine; ``None`` to
            measure nothing.

    Returns:
        The run with its baselines, and True if Ctrl-C interrupted the measurement.

    Raises:
        RunError: Another process works on the folder, or it cannot be written.
    """
    if not baselines:
        return run, False
    baselines = [with_predictions(loaded, run) for loaded in baselines]
    run = write_measured(run, [unmeasured_devices(loaded, run) for loaded in baselines])
    interrupted = False
    if seconds is not None:
        try:
            measured = [measure_baselines(loaded, run, seconds=seconds) for loaded in baselines]
            run = write_measured(run, measured)
        except KeyboardInterrupt:
            interrupted = True
    names = {loaded.baseline.name for loaded in baselines}
    for baseline in run.baselines:
        if baseline.name in names:
            for note in baseline.notes:
                click.echo(f"{baseline.name}: {note}", err=True)
    return run, interrupted


def load_and_add_baselines(run: Run, texts: Sequence[str]) -> tuple[Run, bool]:
    """Load the baselines given for a finished run, measure them, and keep them in its folder.

    Returns:
        The run with its baselines, and True if Ctrl-C interrupted the measurement.

    Raises:
        BaselineError: A text cannot be read, or a network cannot be loaded or counted.
        RunError: Another process works on the folder, or it cannot be written.
    """
    if not texts:
        return run, False
    return add_baselines(run, _load(texts, run.devices), seconds=SECONDS)


def baseline_lines(run: Run) -> list[str]:
    """Return a line for each baseline: its values, and its comparison with the front."""
    lines = []
    for comparison in compare_baselines(run):
        baseline = comparison.baseline
        values = ", ".join(
            f"{metric} {format_baseline_value(baseline, metric, format_number)}"
            for metric in shown_metrics(baseline)
        )
        lines.append(
            f"{baseline.name} ({baseline.source}, {baseline.resolution_px} px): {values};"
            f" {comparison_summary(run, comparison)}."
        )
    return lines


def baselines_document(run: Run) -> list[dict[str, Any]]:
    """Return the baselines of a run, and their comparisons with the front, as plain data."""
    return [
        comparison.baseline.to_dict()
        | {
            "origins": {
                metric: origin_of(comparison.baseline, metric)
                for metric in comparison.baseline.scores
            },
            "compared": list(comparison.compared),
            "dominated_by": list(comparison.dominated_by),
            "estimated_by": list(comparison.estimated_by),
            "dominates": list(comparison.dominates),
            "switch": comparison.switch.to_dict(),
        }
        for comparison in compare_baselines(run)
    ]


def _load(texts: Sequence[str], devices: Devices) -> list[LoadedBaseline]:
    profiles = DeviceProfiles(devices)

    def resolve(metric: Metric) -> Metric:
        # Without device and task, the only latency of the run is meant.
        if str(metric) == LATENCY and len(devices) == 1:
            return next(iter(devices))
        return profiles.resolve(metric)

    return load_baselines(texts, resolve)
