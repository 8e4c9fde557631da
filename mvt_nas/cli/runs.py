"""Commands on finished and unfinished runs.

``mvt-nas runs``, ``pareto``, ``plot``, ``dashboard``, ``compare`` and ``reproduce``.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.baselines import load_and_add_baselines
from mvt_nas.cli.front import front_document, print_front
from mvt_nas.cli.measure_front import measured_run
from mvt_nas.cli.options import BASELINE, JSON, MOST, SECONDS
from mvt_nas.cli.parameters import FILE, FOLDER
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.errors import RunError
from mvt_nas.nas.options import ExecutionOptions
from mvt_nas.nas.runners.base import Resources
from mvt_nas.nas.runs.folder import list_runs
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.comparison import compare_runs
from mvt_nas.report.formatting import format_number
from mvt_nas.report.html.page import write_page
from mvt_nas.report.plots import draw_plot

_RUN = click.argument("run", type=FOLDER)
_COLUMNS = (
    "run",
    "space",
    "objectives",
    "sampler",
    "seed",
    "candidates",
    "front",
    "hypervolume",
)


@click.command("runs")
@click.argument("folder", type=FOLDER, default=Path("results"))
@JSON
def runs_command(folder: Path, as_json: bool) -> None:
    """List the runs below FOLDER (results by default)."""
    if folder != Path("results") and not folder.is_dir():
        raise RunError(f"{folder}: no such folder")
    entries = [_entry(path) for path in list_runs(folder)]
    if as_json:
        print_json(entries)
    elif not entries:
        click.echo(f"no runs below {folder}")
    else:
        print_table(_COLUMNS, [_row(entry) for entry in entries], text_columns=4)


def _entry(path: Path) -> dict[str, Any]:
    """Return the summary of the run in a folder, or the error of reading it."""
    try:
        run = Run.load(path)
    except RunError as error:
        return {"run": str(path), "error": str(error)}
    return {
        "run": str(path),
        "space": run.space.name,
        "objectives": [str(objective) for objective in run.config.objectives],
        "sampler": run.config.sampler,
        "seed": run.config.seed,
        "trials": run.config.trials,
        "candidates": len(run.candidates),
        "front": len(run.front()),
        "hypervolume": run.hypervolume(),
    }


def _row(entry: dict[str, Any]) -> list[str]:
    if "error" in entry:
        return [entry["run"], f"unreadable: {entry['error']}", *[""] * (len(_COLUMNS) - 2)]
    cells = {name: str(entry[name]) for name in _COLUMNS}
    cells["objectives"] = " ".join(entry["objectives"])
    cells["candidates"] = f"{entry['candidates']}/{entry['trials']}"
    cells["hypervolume"] = format_number(entry["hypervolume"])
    return list(cells.values())


@click.command("pareto")
@_RUN
@JSON
@click.option("--csv", type=FILE, metavar="FILE", help="CSV file to write the front to.")
@click.option(
    "--measure",
    is_flag=True,
    help="Measure the latency of the front first, if a device of the run is this machine.",
)
@MOST
@SECONDS
def pareto_command(
    run: Path,
    as_json: bool,
    csv: Path | None,
    measure: bool,
    measure_most: int,
    measure_seconds: float,
) -> None:
    """Show the Pareto front of RUN and compare your baselines with it.

    Other commands take a candidate as RUN:ID, RUN:knee, RUN:OBJECTIVE (the best in it) or
    'RUN:latency_ms<=5,params<=2M' (the best within limits, by the first objective). Limits apply to
    predicted and counted values, not to measured ones.
    """
    loaded = Run.load(run)
    interrupted = False
    if measure:
        loaded, interrupted = measured_run(loaded, measure_most, measure_seconds)
    if csv is not None:
        _write_csv(loaded, csv)
    if as_json:
        print_json(front_document(loaded))
    else:
        print_front(loaded)
    if interrupted:
        raise KeyboardInterrupt


def _write_csv(run: Run, path: Path) -> None:
    # Loads pandas.
    from mvt_nas.report.tables import front_frame

    try:
        front_frame(run).to_csv(path, index=False)
    except OSError as error:
        raise RunError(f"--csv {path}: cannot be written ({error})") from None


@click.command("plot")
@_RUN
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="File to write: .png, .svg or .pdf.  [default: RUN/front.png]",
)
@BASELINE
def plot_command(run: Path, out: Path | None, baselines: tuple[str, ...]) -> None:
    """Plot RUN: candidates, front, budgets, published models, baselines.

    A baseline is counted and predicted, measured if a device of RUN is this machine, and kept
    with RUN.
    """
    path = out or run / "front.png"
    loaded, interrupted = load_and_add_baselines(Run.load(run), baselines)
    draw_plot(loaded, path)
    click.echo(path)
    if interrupted:
        raise KeyboardInterrupt


@click.command("dashboard")
@_RUN
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="Storage file to write.  [default: RUN/optuna-journal.log]",
)
def dashboard_command(run: Path, out: Path | None) -> None:
    """Write RUN as an Optuna storage for optuna-dashboard.

    Prints the command that opens it.
    """
    # Loads Optuna.
    from mvt_nas.nas.optuna_dashboard import write_storage

    path = write_storage(Run.load(run), out or run / "optuna-journal.log")
    click.echo(f"optuna-dashboard {path}")


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=FOLDER, metavar="RUN RUN...")
@click.option(
    "--out",
    type=FILE,
    metavar="FILE.html",
    help="HTML file to write, with the fronts of all runs in one chart.",
)
@JSON
def compare_command(runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Compare the fronts of several runs with the same objectives.

    Hypervolumes use one reference point and are shares of the joint front's; joint is the number of
    candidates on the joint front of all runs; covered is the share of a run's front that other runs
    dominate.
    """
    loaded = [Run.load(folder) for folder in runs]
    comparisons = compare_runs(loaded)
    if out is not None:
        write_page(loaded, out)
    if as_json:
        print_json([asdict(comparison) for comparison in comparisons])
        return
    rows = [
        [
            comparison.run,
            comparison.sampler,
            str(comparison.seed),
            str(comparison.candidates),
            str(comparison.front),
            f"{comparison.share:.2%}",
            str(comparison.joint),
            f"{comparison.covered:.0%}",
        ]
        for comparison in comparisons
    ]
    print_table(
        ["run", "sampler", "seed", "candidates", "front", "hypervolume", "joint", "covered"],
        rows,
        text_columns=2,
    )


@click.command("reproduce")
@_RUN
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    metavar="W",
    help="Number of parallel evaluations.",
)
@JSON
def reproduce_command(run: Path, workers: int, as_json: bool) -> None:
    """Repeat the search of RUN, and compare the results.

    Trainings are repeated as well. The exit code is 0 if everything is identical, else 1; the
    output lists the differences: versions, data, devices, the space, and the candidates.
    """
    # Loads Optuna and SciPy.
    from mvt_nas.nas.reproduce import reproduce

    result = reproduce(run, ExecutionOptions(Resources(workers)))
    if as_json:
        print_json(
            {
                "run": str(run),
                "identical": result.identical,
                "candidates": result.candidates,
                "differences": list(result.differences),
                "notes": list(result.notes),
            }
        )
    else:
        outcome = "identical" if result.identical else "NOT identical"
        click.echo(f"{run}: {outcome} ({result.candidates} candidates compared)")
        for line in (*result.differences, *result.notes):
            click.echo(f"  {line}")
    sys.exit(0 if result.identical else 1)
