"""Measuring a front from the command line: options, progress, interruption, and a summary."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from statistics import median
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
    help="Largest number of networks of the front to measure, evenly spread along it.",
)
SECONDS = click.option(
    "--measure-seconds",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    metavar="S",
    help="Duration of the timing per measured network, in seconds.",
)


def measured_run(run: Run, most: int, seconds: float) -> tuple[Run, bool]:
    """Measure the front of a run; return the run, and True if Ctrl-C interrupted the measurement.

    Raises:
        MvtNasError: nothing can be measured here.
    """
    from mvt_nas.nas.measure_front import measure_front

    def print_progress(done: int, total: int) -> None:
        end = "\n" if done == total or not sys.stderr.isatty() else "\r"
        click.echo(f"measured {done}/{total} networks of the front{end}", nl=False, err=True)

    ended = measure_front(run, most=most, seconds=seconds, listener=print_progress)
    if ended.interrupted:
        click.echo(
            "\nThe measurement was interrupted; finished networks are kept. Resume with:  mvt-nas"
            f" pareto {run.folder} --measure",
            err=True,
        )
    return ended.run, ended.interrupted


def worth_measuring(run: Run) -> bool:
    """Return True if a run predicts latency on this machine and has networks to measure."""
    if not run.devices or not run.complete():
        return False
    from mvt_nas.nas.measure_front import devices_here

    return bool(devices_here(run))


def format_agreement(run: Run) -> list[str]:
    """Return one sentence per device that compares measured with predicted latencies."""
    from mvt_nas.nas.runs.latency_records import latency_agreement

    sentences = []
    for metric, profile in run.devices.items():
        measured = run.measured.get(metric.full_name, {})
        found = latency_agreement(measured)
        if found is None:
            continue
        where = profile.name if metric.task is None else f"{profile.name}, for {metric.task}"
        median_of = f"median of {found.n}{_format_machine_state(profile.reference_ms, measured)}"
        text = f"Measured on {where}: {slower(found.factor)} than predicted ({median_of})"
        sentences.append(
            f"{text}; that one factor apart, predictions are {100 * found.rest:.1f} % off at the"
            " median."
        )
    return sentences


def slower(factor: float) -> str:
    """Return the ratio of two latencies as text that "than" can follow."""
    if factor >= 2:
        return f"{factor:.1f} times slower"
    return f"{100 * abs(factor - 1):.1f} % {'slower' if factor >= 1 else 'faster'}"


def _format_machine_state(profiled_ms: float | None, measured: Mapping[str, LatencyRecord]) -> str:
    """Return the change of the machine's speed since it was profiled, by the reference model."""
    values = [record.probe_ms for record in measured.values() if record.probe_ms]
    if not profiled_ms or not values:
        return ""
    return (
        f"; the reference model is {slower(median(values) / profiled_ms)} than when the device was"
        " profiled"
    )
