"""``mvt-nas search``: the main job."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.baselines import BASELINE
from mvt_nas.cli.measure_front import MOST, SECONDS
from mvt_nas.cli.parameters import FILE, FOLDER
from mvt_nas.cli.render import print_json

if TYPE_CHECKING:
    from mvt_nas.nas.problem.stopping_rule import Reason
    from mvt_nas.nas.runs.run import Run


@click.command("search")
@click.argument("space", metavar="[SPACE]", required=False)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="NAME[:min|max]",
    help=(
        "What to optimise, such as accuracy or latency_ms@DEVICE; may be repeated.  [default:"
        " accuracy, latency_ms, params]"
    ),
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="'NAME<=VALUE'",
    help="What is allowed, such as 'latency_ms<=15'; may be repeated.",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME[,FIELD=VALUE]",
    help=(
        "Know the costs with the head of detection or segmentation, too: segmentation.latency_ms"
        " and so on; fields are num_classes and resolution_px, for example. May be repeated."
    ),
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    metavar="N",
    help="Candidates to evaluate, published models included.  [default: 200]",
)
@click.option(
    "--sampler",
    metavar="NAME",
    help="mvt, nsga2, nsga3, tpe, gp, random, qmc or exhaustive.  [default: mvt]",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    metavar="S",
    help="Of everything random.  [default: 0]",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    metavar="W",
    help=(
        "Evaluations at a time; the result does not depend on it.  [default: 1; on a Ray cluster"
        " all that it has room for]"
    ),
)
@click.option(
    "--runner",
    metavar="NAME",
    help="What evaluates: local or ray.  [default: ray where --ray-address is given, else local]",
)
@click.option(
    "--ray-address",
    metavar="auto|HOST:PORT",
    help="Ray cluster to use; without it, --runner ray starts Ray on this machine.",
)
@click.option(
    "--cpus-per-trial",
    type=float,
    metavar="N",
    help="CPUs that Ray reserves for each evaluation.  [default: 1]",
)
@click.option(
    "--gpus-per-trial",
    type=float,
    metavar="N",
    help="GPUs that Ray reserves for each, such as 0.25.  [default: 0]",
)
@click.option(
    "--out", type=FOLDER, metavar="DIR", help="Folder of the run.  [default: results/SPACE-TIME]"
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --out; what it was started with may be left out.",
)
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="DIM=VALUE",
    help="Give a dimension one value, such as stage3.patch=2, or patch=2 for all stages.",
)
@click.option(
    "--no-warm-start", is_flag=True, help="Do not evaluate the published models in the space first."
)
@click.option(
    "--batch",
    type=click.IntRange(1, 4096),
    metavar="N",
    help="Proposals between two looks at their results.  [default: 16]",
)
@click.option(
    "--num-classes",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    help="Outputs of the networks whose costs are counted.  [default: 1000]",
)
@click.option(
    "--score-px",
    type=click.IntRange(16, 1024),
    metavar="PX",
    help="Side of the images that proxies see.  [default: 64]",
)
@click.option(
    "--score-images",
    type=click.IntRange(2, 1024),
    metavar="N",
    help="Images in the batch that proxies see.  [default: 16]",
)
@click.option(
    "--accuracy-table",
    type=FILE,
    metavar="TABLE",
    help="Trained networks that predict accuracy (mvt-nas bench train).  [default: ours]",
)
@click.option(
    "--stop-when",
    metavar="stalled:N",
    help=(
        "End when the front's hypervolume has grown by at most 0.1 % over the last N candidates;"
        " never lifts that.  [default: never]"
    ),
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="M",
    help="End after M minutes, with a whole batch.",
)
@click.option(
    "--no-cache",
    is_flag=True,
    help="Evaluate what other searches have evaluated before, and keep nothing for later ones.",
)
@click.option(
    "--data",
    metavar="SOURCE",
    help="Pictures for trained_accuracy: a folder by class, .npz, Parquet.  [default: digits]",
)
@click.option(
    "--data-limit",
    type=click.IntRange(1),
    metavar="N",
    help="Pictures per class that are read.  [default: all]",
)
@click.option(
    "--protocol",
    type=FILE,
    metavar="FILE",
    help="How trained_accuracy trains, YAML.  [default: ten epochs at 32 px]",
)
@click.option(
    "--rung",
    "rungs",
    type=click.IntRange(1),
    multiple=True,
    metavar="EPOCHS",
    help=(
        "Pause trainings there, and go on with the best only; may be repeated.  [default: all are"
        " trained to the end]"
    ),
)
@click.option(
    "--keep",
    type=float,
    metavar="SHARE",
    help="Of the networks of each rung that go on.  [default: 0.333]",
)
@click.option(
    "--measure-front/--no-measure-front",
    default=None,
    help=(
        "Measure the latency of the front when the search has ended.  [default: where a device of"
        " the search is this machine]"
    ),
)
@MOST
@SECONDS
@BASELINE
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the front as one JSON document instead of a table.",
)
def search_command(
    space: str | None,
    out: Path | None,
    resume: bool,
    measure_front: bool | None,
    measure_most: int,
    measure_seconds: float,
    baselines: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Search SPACE and show the Pareto front.

    SPACE is a file or the name of a space that ships (mvt-nas space list). The run lies in its
    folder from the first second: Ctrl-C ends it with everything kept, and --resume goes on to the
    same result.
    """
    from mvt_nas._threads_and_malloc import keep_freed_memory
    from mvt_nas.cli.baselines import told_before, with_told
    from mvt_nas.cli.progress import SearchProgress
    from mvt_nas.nas.api import search

    keep_freed_memory()
    given = {
        name: value
        for name, value in settings.items()
        if value is not None and value is not False and value != ()
    }
    if space is None and not resume:
        raise click.UsageError(
            "SPACE is missing: a file, or a name such as mobilevit; mvt-nas space list shows them"
        )
    arguments = (_kept(out) if resume else {}) | _arguments(given)
    kept = arguments.pop("space", None)
    told = told_before(out if resume else None, baselines)
    with SearchProgress() as progress:
        result = search(
            kept if space is None else space, out=out, resume=resume, listener=progress, **arguments
        )
    result, interrupted = _measured(result, measure_front, measure_most, measure_seconds)
    leave_out = measure_front is False or result.interrupted or interrupted
    run, interrupted_later = with_told(
        result.run, told, seconds=None if leave_out else measure_seconds
    )
    _finish(replace(result, run=run), interrupted or interrupted_later, as_json)


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options as arguments of :func:`mvt_nas.search`."""
    from mvt_nas.cli.parameters import parse_fixed
    from mvt_nas.nas.problem.config import Scoring
    from mvt_nas.nas.request import TrainingImages

    pictures = {
        "data": given.pop("data", None),
        "limit": given.pop("data_limit", None),
        "protocol": given.pop("protocol", None),
    }
    pictures |= {"rungs": given.pop("rungs", None), "keep": given.pop("keep", None)}
    scoring = {
        "resolution_px": given.pop("score_px", None),
        "images": given.pop("score_images", None),
    }
    arguments = {
        name: given[name] for name in given if name not in ("fixed", "no_warm_start", "no_cache")
    }
    if any(scoring.values()):
        arguments["scoring"] = Scoring(
            **{name: value for name, value in scoring.items() if value is not None}
        )
    if any(value is not None for value in pictures.values()):
        arguments["pictures"] = TrainingImages(
            **{name: value for name, value in pictures.items() if value is not None}
        )
    if "no_warm_start" in given:
        arguments["warm_start"] = False
    if "no_cache" in given:
        arguments["cache"] = False
    if "fixed" in given:
        arguments["fix"] = parse_fixed(given["fixed"])
    return arguments


def _kept(folder: Path | None) -> dict[str, Any]:
    """Return the settings of the run in a folder as arguments, which options may then contradict."""
    from mvt_nas.nas.runs.folder import read_config

    if folder is None:
        raise click.UsageError("--resume needs --out, the folder of the run to go on with")
    config = read_config(folder)
    names = ("trials", "sampler", "seed", "warm_start", "batch", "num_classes", "scoring")
    return {name: getattr(config, name) for name in (*names, "objectives", "budgets")} | {
        "space": config.search_space()
    }


def _measured(result: Any, wanted: bool | None, most: int, seconds: float) -> tuple[Any, bool]:
    """Return the result with its front measured, and whether Ctrl-C ended that; what cannot be measured costs no search its result."""
    from mvt_nas.cli.measure_front import measured_run, worth_measuring
    from mvt_nas.errors import MvtNasError

    if (
        result.interrupted
        or wanted is False
        or (wanted is None and not worth_measuring(result.run))
    ):
        return result, False
    try:
        run, interrupted = measured_run(result.run, most, seconds)
    except MvtNasError as error:
        click.echo(f"The front is not measured: {error}", err=True)
        return result, False
    return replace(result, run=run), interrupted


def _finish(result: Any, measuring_interrupted: bool, as_json: bool) -> None:
    """Print the front, write what reports add to the folder, and say where everything lies."""
    from mvt_nas.cli.front import front_document, print_front

    run = result.run
    if as_json:
        print_json(front_document(run) | {"reason": result.reason})
    else:
        print_front(run)
        _say_how_it_ended(result)
    for path in _report(run):
        click.echo(f"  {path}", err=as_json)
    if result.interrupted or measuring_interrupted:
        raise KeyboardInterrupt


def _report(run: Any) -> list[Path]:
    """Write tables and pictures into the run's folder; return their paths."""
    from mvt_nas.errors import RunError
    from mvt_nas.report.plots import draw_formats
    from mvt_nas.report.tables import candidates_frame, front_frame

    tables, pictures = (
        [run.folder / "front.csv", run.folder / "candidates.csv"],
        [run.folder / "front.png", run.folder / "front.svg"],
    )
    if not run.candidates:
        return []
    try:
        front_frame(run).to_csv(tables[0], index=False)
        candidates_frame(run).to_csv(tables[1], index=False)
    except OSError as error:
        raise RunError(
            f"{run.folder}: the search is kept, but its tables cannot be written ({error})"
        ) from None
    if not run.complete():
        return tables
    draw_formats(run, pictures)
    return [*pictures, *tables]


def _say_how_it_ended(result: Any) -> None:
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
    said, more = _ends(run)[result.reason]
    click.echo(
        f"\n{said}"
        + (
            f" Go on with:  mvt-nas search --resume --out {run.folder}{more}"
            if more is not None
            else ""
        )
    )
    click.echo(f"\nThe run, its pictures and tables are in {run.folder}:")


def _ends(run: Run) -> dict[Reason, tuple[str, str | None]]:
    """Return what is said of each way to end, and what to add to the command that goes on."""
    done, within = len(run.candidates), run.config.stop_when.stalled
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
