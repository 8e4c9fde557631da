"""``mvt-nas search``: the main command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.baselines import BASELINE
from mvt_nas.cli.measure_front import MOST, SECONDS
from mvt_nas.cli.parameters import FOLDER, given_settings, parse_fixed, setting_options
from mvt_nas.cli.render import print_json
from mvt_nas.nas.problem.config import RunConfig, Scoring
from mvt_nas.nas.problem.short_training import CandidateTraining

if TYPE_CHECKING:
    from mvt_nas.nas.options import SearchResult
    from mvt_nas.nas.problem.stopping_rule import Reason
    from mvt_nas.nas.runs.run import Run


@click.command("search")
@click.argument("space", metavar="[SPACE]", required=False)
@setting_options(RunConfig, Scoring, CandidateTraining)
@click.option(
    "--fix",
    multiple=True,
    metavar="DIM=VALUE",
    help="Give a dimension one value, such as stage3.patch=2, or patch=2 for all stages. May be"
    " repeated.",
)
@click.option(
    "--out", type=FOLDER, metavar="DIR", help="Folder of the run.  [default: results/SPACE-TIME]"
)
@click.option(
    "--resume",
    is_flag=True,
    help="Resume the run in --out; settings that are not given are those of the run.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    metavar="W",
    help=(
        "Number of parallel evaluations; the result does not depend on it.  [default: 1; on a Ray"
        " cluster as many as it has room for]"
    ),
)
@click.option(
    "--runner",
    metavar="NAME",
    help="Where to evaluate: local or ray.  [default: ray with --ray-address, else local]",
)
@click.option(
    "--ray-address",
    metavar="auto|HOST:PORT",
    help="Ray cluster to use; without it, --runner ray starts Ray on this machine.",
)
@click.option(
    "--cpus-per-trial",
    type=float,
    default=1.0,
    show_default=True,
    metavar="N",
    help="Number of CPUs that Ray reserves for each evaluation.",
)
@click.option(
    "--gpus-per-trial",
    type=float,
    default=0.0,
    show_default=True,
    metavar="N",
    help="Number of GPUs that Ray reserves for each evaluation, such as 0.25.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="Time limit, in minutes; a running batch is finished.  [default: none]",
)
@click.option(
    "--no-cache",
    "cache",
    is_flag=True,
    default=True,
    flag_value=False,
    help="Neither use the cache of evaluations nor add to it.",
)
@click.option(
    "--measure-front/--no-measure-front",
    default=None,
    help=(
        "Measure the latency of the front at the end.  [default: if a device of the search is this"
        " machine]"
    ),
)
@MOST
@SECONDS
@BASELINE
@click.option("--json", "as_json", is_flag=True, help="Print the front as JSON.")
def search_command(
    space: str | None,
    fix: tuple[str, ...],
    out: Path | None,
    resume: bool,
    workers: int | None,
    runner: str | None,
    ray_address: str | None,
    cpus_per_trial: float,
    gpus_per_trial: float,
    minutes: float | None,
    cache: bool,
    measure_front: bool | None,
    measure_most: int,
    measure_seconds: float,
    baselines: tuple[str, ...],
    as_json: bool,
    **options: Any,
) -> None:
    """Search SPACE and show the Pareto front.

    SPACE is a file or the name of a shipped space (mvt-nas space list). Everything is stored in the
    run's folder from the start: Ctrl-C ends the search without loss, and --resume continues to the
    same result.
    """
    from mvt_nas._threads_and_malloc import keep_freed_memory
    from mvt_nas.cli.baselines import told_before, with_told
    from mvt_nas.cli.progress import SearchProgress
    from mvt_nas.nas.api import search
    from mvt_nas.nas.request import TrainingImages

    _check_usage(space, out, resume)
    keep_freed_memory()
    loaded_baselines = told_before(out if resume else None, baselines)
    with SearchProgress() as progress:
        result = search(
            space,
            **given_settings(options, RunConfig),
            scoring=given_settings(options, Scoring),
            pictures=TrainingImages(**given_settings(options, CandidateTraining)),
            fix=parse_fixed(fix),
            out=out,
            resume=resume,
            workers=workers,
            runner=runner,
            ray_address=ray_address,
            cpus_per_trial=cpus_per_trial,
            gpus_per_trial=gpus_per_trial,
            minutes=minutes,
            cache=cache,
            listener=progress,
        )
    result, interrupted = _measured(result, measure_front, measure_most, measure_seconds)
    measures_baselines = measure_front is not False and not result.interrupted and not interrupted
    run, interrupted_later = with_told(
        result.run, loaded_baselines, seconds=measure_seconds if measures_baselines else None
    )
    _finish(replace(result, run=run), interrupted or interrupted_later, as_json)


def _check_usage(space: str | None, out: Path | None, resume: bool) -> None:
    """Check that there is something to search.

    Raises:
        UsageError: There is neither a space nor a run to resume.
    """
    if space is None and not resume:
        raise click.UsageError(
            "SPACE is missing: a file, or a name such as mobilevit; mvt-nas space list shows them"
        )
    if resume and out is None:
        raise click.UsageError("--resume needs --out, the folder of the run to resume")


def _measured(
    result: SearchResult, wanted: bool | None, most: int, seconds: float
) -> tuple[SearchResult, bool]:
    """Return the result with its front measured, and whether Ctrl-C ended the measurement.

    A front that cannot be measured does not cost the search its result.
    """
    from mvt_nas.cli.measure_front import measured_run, worth_measuring
    from mvt_nas.errors import MvtNasError

    if result.interrupted or wanted is False:
        return result, False
    if wanted is None and not worth_measuring(result.run):
        return result, False
    try:
        run, interrupted = measured_run(result.run, most, seconds)
    except MvtNasError as error:
        click.echo(f"The front is not measured: {error}", err=True)
        return result, False
    return replace(result, run=run), interrupted


def _finish(result: SearchResult, measuring_interrupted: bool, as_json: bool) -> None:
    """Print the front, write tables and plots into the folder, and print their paths."""
    from mvt_nas.cli.front import front_document, print_front

    run = result.run
    if as_json:
        print_json(front_document(run) | {"reason": result.reason})
    else:
        print_front(run)
        _print_ending(result)
    for path in _write_report(run):
        click.echo(f"  {path}", err=as_json)
    if result.interrupted or measuring_interrupted:
        raise KeyboardInterrupt


def _write_report(run: Run) -> list[Path]:
    """Write tables and plots into the run's folder, and return their paths."""
    from mvt_nas.errors import RunError
    from mvt_nas.report.plots import draw_formats
    from mvt_nas.report.tables import candidates_frame, front_frame

    if not run.candidates:
        return []
    front_table = run.folder / "front.csv"
    candidates_table = run.folder / "candidates.csv"
    try:
        front_frame(run).to_csv(front_table, index=False)
        candidates_frame(run).to_csv(candidates_table, index=False)
    except OSError as error:
        raise RunError(
            f"{run.folder}: the search is kept, but its tables cannot be written ({error})"
        ) from None
    tables = [front_table, candidates_table]
    if not run.complete():
        return tables
    plots = [run.folder / "front.png", run.folder / "front.svg"]
    draw_formats(run, plots)
    return [*plots, *tables]


def _print_ending(result: SearchResult) -> None:
    """Print why the search ended, and how to resume it."""
    run = result.run
    if run.candidates and not run.complete():
        click.echo(
            "No candidate is complete: none met the budgets on scores, or all failed;"
            " candidates.csv says why."
        )
    if result.cached:
        click.echo(
            f"\n{result.cached} candidates were in the cache of evaluations (mvt-nas cache info)."
        )
    if result.about:
        click.echo(f"\nProposed by {run.config.sampler}: {result.about}.")
    ending, more_options = _endings(run)[result.reason]
    if more_options is not None:
        ending += f" Resume with:  mvt-nas search --resume --out {run.folder}{more_options}"
    click.echo(f"\n{ending}")
    click.echo(f"\nThe run, its plots and tables are in {run.folder}:")


def _endings(run: Run) -> dict[Reason, tuple[str, str | None]]:
    """Return for each reason a sentence and the additional options to resume with.

    The options are ``None`` if there is nothing to resume.
    """
    done = len(run.candidates)
    within = run.config.stop_when.stalled
    return {
        "trials": (f"All {done} trials are done.", f" --trials {2 * done}"),
        "exhausted": (
            f"The space is exhausted: no feasible architecture but these {done} was found.",
            None,
        ),
        "stalled": (
            f"Stalled: over the last {within} candidates the front grew by no more than 0.1 %.",
            " --stop-when never",
        ),
        "minutes": ("The minutes are over; everything is kept.", ""),
        "interrupted": ("Interrupted; everything is kept.", ""),
    }
