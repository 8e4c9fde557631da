"""``mvt-nas search``: the main command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mvt_nas._threads_and_malloc import keep_freed_memory
from mvt_nas.cli.options import BASELINE, MOST, SECONDS
from mvt_nas.cli.parameters import FOLDER, setting_options
from mvt_nas.nas.problem.config import RunConfig, Scoring
from mvt_nas.nas.problem.short_training import CandidateTraining


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
    out: Path | None,
    resume: bool,
    measure_front: bool | None,
    measure_most: int,
    measure_seconds: float,
    as_json: bool,
    **options: Any,
) -> None:
    """Search SPACE and show the Pareto front.

    SPACE is a file or the name of a shipped space (mvt-nas space list). Everything is stored in the
    run's folder from the start: Ctrl-C ends the search without loss, and --resume continues to the
    same result.
    """
    from mvt_nas.cli.search_run import FrontTiming, run_search

    _check_usage(space, out, resume)
    keep_freed_memory()
    timing = FrontTiming(measure_front, measure_most, measure_seconds)
    run_search(space, out, resume, timing, as_json, options)


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
