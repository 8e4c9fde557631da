"""What ``mvt-nas search`` does: search, measure the front, print it, and write tables and plots."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.baselines import add_baselines, load_search_baselines
from mvt_nas.cli.fixed_dimensions import parse_fixed
from mvt_nas.cli.front import front_document, print_front
from mvt_nas.cli.measure_front import measured_run, worth_measuring
from mvt_nas.cli.parameters import given_settings
from mvt_nas.cli.render import print_json
from mvt_nas.cli.search_progress import SearchProgress
from mvt_nas.errors import MvtNasError, RunError
from mvt_nas.nas.api import search
from mvt_nas.nas.options import SearchResult
from mvt_nas.nas.problem.config import RunConfig, Scoring
from mvt_nas.nas.problem.short_training import CandidateTraining
from mvt_nas.nas.problem.stopping_rule import Reason
from mvt_nas.nas.request import TrainingImages
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.plots import draw_formats

_EXECUTION = (
    "workers",
    "runner",
    "ray_address",
    "cpus_per_trial",
    "gpus_per_trial",
    "minutes",
    "cache",
)
"""Options that only change how a search is executed."""


@dataclass(frozen=True, slots=True)
class FrontTiming:
    """How the front of a search is measured at its end.

    Attributes:
        wanted: Whether to measure it; ``None`` for yes if a device of the search is this machine.
        most: Number of networks.
        seconds: Timing per network, in seconds.
    """

    wanted: bool | None
    most: int
    seconds: float


def run_search(
    space: str | None,
    out: Path | None,
    resume: bool,
    timing: FrontTiming,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    """Search a space, print the front, and write tables and plots into the run's folder.

    Args:
        space: File or name of the space; ``None`` to resume.
        out: Folder of the run.
        resume: Whether to resume the run in it.
        timing: How to measure the front.
        as_json: Whether to print JSON.
        options: All other options of the command, by their Python names.

    Raises:
        KeyboardInterrupt: The search or the measurement was interrupted; what was found is printed.
        MvtNasError: The search is impossible.
    """
    loaded_baselines = load_search_baselines(out if resume else None, options["baselines"])
    with SearchProgress() as progress:
        result = search(
            space,
            **given_settings(options, RunConfig),
            scoring=given_settings(options, Scoring),
            pictures=TrainingImages(**given_settings(options, CandidateTraining)),
            fix=parse_fixed(options["fix"]),
            out=out,
            resume=resume,
            **{name: options[name] for name in _EXECUTION},
            listener=progress,
        )
    result, interrupted = _measured(result, timing)
    measures_baselines = timing.wanted is not False and not result.interrupted and not interrupted
    run, interrupted_later = add_baselines(
        result.run, loaded_baselines, seconds=timing.seconds if measures_baselines else None
    )
    _finish(replace(result, run=run), interrupted or interrupted_later, as_json)


def _measured(result: SearchResult, timing: FrontTiming) -> tuple[SearchResult, bool]:
    """Return the result with its front measured, and whether Ctrl-C ended the measurement.

    A front that cannot be measured does not cost the search its result.
    """
    if result.interrupted or timing.wanted is False:
        return result, False
    if timing.wanted is None and not worth_measuring(result.run):
        return result, False
    try:
        run, interrupted = measured_run(result.run, timing.most, timing.seconds)
    except MvtNasError as error:
        click.echo(f"The front is not measured: {error}", err=True)
        return result, False
    return replace(result, run=run), interrupted


def _finish(result: SearchResult, measuring_interrupted: bool, as_json: bool) -> None:
    """Print the front, write tables and plots into the folder, and print their paths."""
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
