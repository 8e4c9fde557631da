"""Networks of the user's own on the command line: telling, measuring and keeping them, and what is printed of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.render import format_number
from mvt_nas.metrics.names import LATENCY

if TYPE_CHECKING:
    from mvt_nas.metrics.metric import Metric
    from mvt_nas.nas.baselines.specification import LoadedBaseline
    from mvt_nas.nas.problem.device_profiles import Devices
    from mvt_nas.nas.runs.run import Run

BASELINE = click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="FILE.onnx|MODULE:FUNCTION",
    help=(
        "A network of your own to compare with; ,resolution_px=PX,name=NAME may follow, and figures"
        " that you know, such as ,imagenet_top1=69.8. May be repeated."
    ),
)


def told_before(folder: Path | None, texts: Sequence[str]) -> list[LoadedBaseline]:
    """Return the networks that are told of before a search; ``folder`` is that of the run where it goes on.

    Raises:
        BaselineError: a text cannot be read, or a network cannot be opened or counted.
    """
    if not texts:
        return []
    from mvt_nas.nas.problem.device_profiles import read_devices
    from mvt_nas.nas.runs.folder import read_config

    if folder is None:
        return _told(texts, {})
    config = read_config(folder)
    return _told(texts, read_devices(folder, config.devices, config.metrics))


def with_told(
    run: Run, told: Sequence[LoadedBaseline], *, seconds: float | None
) -> tuple[Run, bool]:
    """Return the run with its baselines, which its folder keeps, and whether Ctrl-C ended measuring them.

    Args:
        run: that they are compared with.
        told: the networks.
        seconds: of timing per network and device that is this machine; ``None`` to measure nothing.

    Raises:
        RunError: another process works on the folder, or it cannot be written.
    """
    if not told:
        return run, False
    from mvt_nas.nas.baselines.latency import measure_baselines, unmeasured_devices, write_measured

    run, interrupted = write_measured(run, [unmeasured_devices(one, run) for one in told]), False
    if seconds is not None:
        try:
            run = write_measured(
                run, [measure_baselines(one, run, seconds=seconds) for one in told]
            )
        except KeyboardInterrupt:
            interrupted = True
    names = {one.baseline.name for one in told}
    for baseline in run.baselines:
        for note in baseline.notes if baseline.name in names else ():
            click.echo(f"{baseline.name}: {note}", err=True)
    return run, interrupted


def told_and_measured(run: Run, texts: Sequence[str]) -> tuple[Run, bool]:
    """Return a finished run with what is told of, counted, measured and kept, and whether Ctrl-C ended the measuring.

    Raises:
        BaselineError: a text cannot be read, or a network cannot be opened or counted.
        RunError: another process works on the folder, or it cannot be written.
    """
    if not texts:
        return run, False
    from mvt_nas.nas.measure_front import SECONDS

    return with_told(run, _told(texts, run.devices), seconds=SECONDS)


def baseline_lines(run: Run) -> list[str]:
    """Return a line for each baseline: its figures, and how it stands against the front."""
    if not run.baselines:
        return []
    from mvt_nas.report.baseline_comparison import compare_baselines, comparison_summary, origin_of

    lines = []
    for one in compare_baselines(run):
        baseline = one.baseline
        figures = []
        for metric, value in baseline.scores.items():
            origin = origin_of(baseline, metric)
            figures.append(
                f"{metric} {format_number(value)}" + (f" ({origin})" if origin != "counted" else "")
            )
        lines.append(
            f"{baseline.name} ({baseline.source}, {baseline.resolution_px} px):"
            f" {', '.join(figures)}; {comparison_summary(run, one)}."
        )
    return lines


def baselines_document(run: Run) -> list[dict[str, Any]]:
    """Return the baselines of a run as plain data, with the numbers of the candidates on the front that dominate each."""
    if not run.baselines:
        return []
    from mvt_nas.report.baseline_comparison import compare_baselines

    return [
        one.baseline.to_dict()
        | {
            "compared": list(one.compared),
            "dominated_by": list(one.dominated_by),
            "dominates": list(one.dominates),
        }
        for one in compare_baselines(run)
    ]


def _told(texts: Sequence[str], devices: Devices) -> list[LoadedBaseline]:
    from mvt_nas.nas.baselines.specification import load_baselines
    from mvt_nas.nas.problem.device_profiles import DeviceProfiles

    profiles = DeviceProfiles(devices)

    def resolve(metric: Metric) -> Metric:
        # Without device and task, the only latency of the run is meant.
        if str(metric) == LATENCY and len(devices) == 1:
            return next(iter(devices))
        return profiles.resolve(metric)

    return load_baselines(texts, resolve)
