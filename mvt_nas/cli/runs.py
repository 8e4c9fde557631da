"""``mvt-nas runs``, ``pareto``, ``plot``, ``dashboard``: what finished and unfinished runs hold.

``mvt-nas compare``: several runs beside each other.

``mvt-nas reproduce``: whether a run is what it says that it is.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from mvt_nas.cli.baselines import BASELINE
from mvt_nas.cli.measure_front import MOST, SECONDS
from mvt_nas.cli.parameters import FILE, FOLDER
from mvt_nas.cli.render import format_number, print_json, print_table

_RUN = click.argument("run", type=FOLDER)
_JSON = click.option(
    "--json", "as_json", is_flag=True, help="One JSON document instead of a table."
)


@click.command("runs")
@click.argument("folder", type=FOLDER, default=Path("results"))
@_JSON
def runs_command(folder: Path, as_json: bool) -> None:
    """List the runs below FOLDER (results by default)."""
    from mvt_nas.errors import RunError
    from mvt_nas.nas.runs.folder import list_runs
    from mvt_nas.nas.runs.run import Run

    if folder != Path("results") and not folder.is_dir():
        raise RunError(f"{folder}: no such folder")
    entries: list[dict[str, object]] = []
    for path in list_runs(folder):
        try:
            run = Run.load(path)
        except RunError as error:
            entries.append({"run": str(path), "error": str(error)})
            continue
        entries.append(
            {
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
        )
    if as_json:
        print_json(entries)
        return
    if not entries:
        click.echo(f"no runs below {folder}")
        return
    names = ("run", "space", "objectives", "sampler", "seed", "candidates", "front", "hypervolume")
    print_table(names, [_row(entry, names) for entry in entries], text_columns=4)


def _row(entry: dict[str, object], names: tuple[str, ...]) -> list[str]:
    if "error" in entry:
        return [str(entry["run"]), f"unreadable: {entry['error']}", *[""] * (len(names) - 2)]
    texts = {name: str(value) for name, value in entry.items()}
    texts["objectives"] = " ".join(entry["objectives"])  # type: ignore[arg-type]  # a list of texts
    texts["candidates"] = f"{entry['candidates']}/{entry['trials']}"
    texts["hypervolume"] = format_number(float(texts["hypervolume"]))
    return [texts[name] for name in names]


@click.command("pareto")
@_RUN
@_JSON
@click.option("--csv", type=FILE, metavar="FILE", help="Also write the front as CSV.")
@click.option(
    "--measure",
    is_flag=True,
    help="First measure its latency, where a device of the run is this machine.",
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
    """Show the Pareto front of RUN, the folder of a run, and how your baselines stand against it.

    Other commands take a candidate as RUN:ID, RUN:knee, RUN:OBJECTIVE (the best in it) or
    'RUN:latency_ms<=5,params<=2M' (the best within limits, by the first objective). Limits go by
    what was predicted and counted, not by what was measured.
    """
    from mvt_nas.cli.front import front_document, print_front
    from mvt_nas.cli.measure_front import measured_run
    from mvt_nas.errors import RunError
    from mvt_nas.nas.runs.run import Run

    loaded, interrupted = Run.load(run), False
    if measure:
        loaded, interrupted = measured_run(loaded, measure_most, measure_seconds)
    if csv is not None:
        from mvt_nas.report.tables import front_frame

        try:
            front_frame(loaded).to_csv(csv, index=False)
        except OSError as error:
            raise RunError(f"--csv {csv}: cannot be written ({error})") from None
    if as_json:
        print_json(front_document(loaded))
    else:
        print_front(loaded)
    if interrupted:
        raise KeyboardInterrupt


@click.command("plot")
@_RUN
@click.option(
    "--out", type=FILE, metavar="FILE", help="A .png, .svg or .pdf file.  [default: RUN/front.png]"
)
@BASELINE
def plot_command(run: Path, out: Path | None, baselines: tuple[str, ...]) -> None:
    """Draw the candidates of RUN, its front, budgets, the published models and your baselines.

    A baseline is measured where a device of RUN is this machine, and RUN keeps it.
    """
    from mvt_nas.cli.baselines import told_and_measured
    from mvt_nas.nas.runs.run import Run
    from mvt_nas.report.plots import draw_plot

    path = out or run / "front.png"
    loaded, interrupted = told_and_measured(Run.load(run), baselines)
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
    help="The storage to write.  [default: RUN/optuna-journal.log]",
)
def dashboard_command(run: Path, out: Path | None) -> None:
    """Write RUN as an Optuna storage and print the command that opens it in optuna-dashboard."""
    from mvt_nas.nas.optuna_dashboard import write_storage
    from mvt_nas.nas.runs.run import Run

    path = write_storage(Run.load(run), out or run / "optuna-journal.log")
    click.echo(f"optuna-dashboard {path}")


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=FOLDER, metavar="RUN RUN...")
@click.option(
    "--out",
    type=FILE,
    metavar="FILE.html",
    help="Also write a page with the fronts of all runs in one chart.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def compare_command(runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Compare the fronts of several runs with the same objectives.

    Hypervolumes are counted in one box, as shares of what all runs dominate together; joint is how
    many candidates of a run are on the front of all; covered is the share of its front that another
    run dominates.
    """
    from mvt_nas.nas.runs.run import Run
    from mvt_nas.report.comparison import compare_runs

    loaded = [Run.load(folder) for folder in runs]
    found = compare_runs(loaded)
    if out is not None:
        from mvt_nas.report.html.page import write_page

        write_page(loaded, out)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        [
            one.run,
            one.sampler,
            str(one.seed),
            str(one.candidates),
            str(one.front),
            f"{one.share:.2%}",
            str(one.joint),
            f"{one.covered:.0%}",
        ]
        for one in found
    ]
    print_table(
        ["run", "sampler", "seed", "candidates", "front", "hypervolume", "joint", "covered"],
        rows,
        text_columns=2,
    )


@click.command("reproduce")
@click.argument("run", type=FOLDER)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    metavar="W",
    help="Evaluations at a time.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of sentences.")
def reproduce_command(run: Path, workers: int, as_json: bool) -> None:
    """Search again as RUN says, and compare.

    Whatever was trained is trained again. Ends with 0 where all is identical, and else with 1 and
        what differs: versions, data, devices,
    the space, and the candidates.
    """
    from mvt_nas.nas.options import ExecutionOptions
    from mvt_nas.nas.reproduce import reproduce
    from mvt_nas.nas.runners.base import Resources

    found = reproduce(run, ExecutionOptions(Resources(workers)))
    if as_json:
        words = {"differences": list(found.differences), "notes": list(found.notes)}
        print_json(
            {"run": str(run), "identical": found.identical, "candidates": found.candidates, **words}
        )
    else:
        click.echo(
            f"{run}: {'identical' if found.identical else 'NOT identical'} ({found.candidates}"
            " candidates compared)"
        )
        for line in (*found.differences, *found.notes):
            click.echo(f"  {line}")
    sys.exit(0 if found.identical else 1)
