"""Networks of the user's own on the command line: telling, measuring and keeping them, and what is printed of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.tables import short

if TYPE_CHECKING:
    from mvt_nas.engine.devices import Devices
    from mvt_nas.engine.run import Run
    from mvt_nas.engine.told import Told

BASELINE = click.option(
    "--baseline",
    "baselines",
    multiple=True,
    metavar="FILE.onnx|MODULE:FUNCTION",
    help="A network of your own to compare with; ,resolution_px=PX,name=NAME may follow, and figures that you know, such as "
    ",imagenet_top1=69.8. May be repeated.",
)


def told_before(folder: Path | None, texts: Sequence[str]) -> list[Told]:
    """Return the networks that are told of before a search; ``folder`` is that of the run where it goes on.

    Raises:
        BaselineError: a text cannot be read, or a network cannot be opened or counted.
    """
    if not texts:
        return []
    from mvt_nas.engine.devices import read_devices
    from mvt_nas.engine.folder import read_config

    if folder is None:
        return _told(texts, {})
    config = read_config(folder)
    return _told(texts, read_devices(folder, config.devices, config.metrics))


def with_told(run: Run, told: Sequence[Told], *, seconds: float | None) -> tuple[Run, bool]:
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
    from mvt_nas.engine.told_measuring import keep, measured, unmeasured

    run, interrupted = keep(run, [unmeasured(one, run) for one in told]), False
    if seconds is not None:
        try:
            run = keep(run, [measured(one, run, seconds=seconds) for one in told])
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
    from mvt_nas.engine.measuring import SECONDS

    return with_told(run, _told(texts, run.devices), seconds=SECONDS)


def baseline_lines(run: Run) -> list[str]:
    """Return a line for each baseline: its figures, and how it stands against the front."""
    if not run.baselines:
        return []
    from mvt_nas.report.standing import origin_of, standings, verdict

    lines = []
    for one in standings(run):
        baseline = one.baseline
        figures = []
        for metric, value in baseline.scores.items():
            origin = origin_of(baseline, metric)
            figures.append(f"{metric} {short(value)}" + (f" ({origin})" if origin != "counted" else ""))
        lines.append(f"{baseline.name} ({baseline.source}, {baseline.resolution_px} px): {', '.join(figures)}; {verdict(run, one)}.")
    return lines


def baselines_document(run: Run) -> list[dict[str, Any]]:
    """Return the baselines of a run as plain data, with the numbers of the candidates on the front that dominate each."""
    if not run.baselines:
        return []
    from mvt_nas.report.standing import standings

    return [
        one.baseline.to_dict() | {"compared": list(one.compared), "dominated_by": list(one.dominated_by), "dominates": list(one.dominates)}
        for one in standings(run)
    ]


def _told(texts: Sequence[str], devices: Devices) -> list[Told]:
    from mvt_nas.cost.names import LATENCY
    from mvt_nas.engine.devices import DeviceNames
    from mvt_nas.engine.told import tell

    names = DeviceNames(devices)

    def full_name(metric: str) -> str:
        return next(iter(devices)) if metric == LATENCY and len(devices) == 1 else names.metric(metric)

    return tell(texts, full_name)
