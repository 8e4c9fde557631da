"""Measuring a front from the command line: progress, Ctrl-C, and what the figures say in words."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from mvt_nas.nas.runs.latency_records import LatencyRecord
    from mvt_nas.nas.runs.run import Run

MOST = click.option(
    "--measure-most",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    metavar="N",
    help="Networks of the front that are measured, evenly spread along it.",
)
SECONDS = click.option(
    "--measure-seconds",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Seconds of timing per network that is measured.",
)


def measured_run(run: Run, most: int, seconds: float) -> tuple[Run, bool]:
    """Return the run with its front measured, and whether Ctrl-C ended that.

    Raises:
        MvtNasError: there is nothing that could be measured here.
    """
    from mvt_nas.nas.measure_front import measure_front

    def tell(done: int, total: int) -> None:
        end = "\n" if done == total or not sys.stderr.isatty() else "\r"
        click.echo(f"measured {done}/{total} networks of the front{end}", nl=False, err=True)

    ended = measure_front(run, most=most, seconds=seconds, listener=tell)
    if ended.interrupted:
        click.echo(
            "\nMeasuring was interrupted; what was finished is kept. Go on with:  mvt-nas pareto"
            f" {run.folder} --measure",
            err=True,
        )
    return ended.run, ended.interrupted


def worth_measuring(run: Run) -> bool:
    """Return whether a run predicts latency on this machine, and has something that can be measured."""
    if not run.devices or not run.complete():
        return False
    from mvt_nas.nas.measure_front import devices_here

    return bool(devices_here(run))


def format_agreement(run: Run) -> list[str]:
    """Return one sentence per device on how what was measured compares with what was predicted."""
    from mvt_nas.nas.runs.latency_records import latency_agreement

    sentences = []
    for metric, profile in run.devices.items():
        measured = run.measured.get(metric.full_name, {})
        found = latency_agreement(measured)
        if found is None:
            continue
        where = profile.name if metric.task is None else f"{profile.name}, for {metric.task}"
        median_of = f"median of {found.n}{_probe(profile.probe_ms, measured)}"
        text = f"Measured on {where}: {slower(found.factor)} than predicted ({median_of})"
        sentences.append(
            f"{text}; that one factor apart, predictions are {100 * found.rest:.1f} % off at the"
            " median."
        )
    return sentences


def slower(factor: float) -> str:
    """Return a factor between two latencies as words that go on with "than"."""
    if factor >= 2:
        return f"{factor:.1f} times slower"
    return f"{100 * abs(factor - 1):.1f} % {'slower' if factor >= 1 else 'faster'}"


def _probe(then_ms: float | None, measured: Mapping[str, LatencyRecord]) -> str:
    """Return what the probe, a network that is always the same, says of the machine's state."""
    from statistics import median

    values = [one.probe_ms for one in measured.values() if one.probe_ms]
    if not then_ms or not values:
        return ""
    return (
        f"; the probe, always the same network, is {slower(median(values) / then_ms)} than when the"
        " device was profiled"
    )
