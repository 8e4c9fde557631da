"""``mvt-nas search``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.tables import print_json


@click.command("search")
@click.argument("space", metavar="[SPACE]", required=False)
@click.option(
    "--objective",
    "objectives",
    multiple=True,
    metavar="NAME[:min|max]",
    help="What to optimise; may be repeated.  [default: channel_entropy:max, macs:min, params:min]",
)
@click.option("--budget", "budgets", multiple=True, metavar="'NAME<=VALUE'", help="What is allowed, such as 'macs<=1.2G'; may be repeated.")
@click.option("--trials", type=click.IntRange(1), metavar="N", help="Candidates to evaluate, published models included.  [default: 200]")
@click.option("--sampler", metavar="NAME", help="nsga2, nsga3, tpe, gp, random, qmc or exhaustive.  [default: nsga2]")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="S", help="Of everything random.  [default: 0]")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    metavar="W",
    help="Processes that evaluate; the result does not depend on it.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Folder of the run.  [default: results/SPACE-TIME]")
@click.option("--resume", is_flag=True, help="Go on with the run in --out; SPACE and settings may be left out then.")
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="DIM=VALUE",
    help="Give a dimension one value, such as stage3.patch=2, or patch=2 for all stages.",
)
@click.option("--no-warm-start", is_flag=True, help="Do not evaluate the published models in the space first.")
@click.option("--batch", type=click.IntRange(1, 4096), metavar="N", help="Proposals between two looks at their results.  [default: 16]")
@click.option(
    "--num-classes", type=click.IntRange(1), metavar="N", help="Outputs of the networks whose costs are counted.  [default: 1000]"
)
@click.option("--score-px", type=click.IntRange(16, 1024), metavar="PX", help="Side of the images that proxies see.  [default: 64]")
@click.option("--score-images", type=click.IntRange(2, 1024), metavar="N", help="Images in the batch that proxies see.  [default: 16]")
@click.option("--json", "as_json", is_flag=True, help="Print the front as one JSON document instead of a table.")
def search_command(space: str | None, workers: int, out: Path | None, resume: bool, as_json: bool, **settings: Any) -> None:
    """Search SPACE and show the Pareto front.

    SPACE is a file or the name of a space that ships (mvt-nas space list). The run lies in its folder from the first second: Ctrl-C
    ends it with everything kept, and --resume goes on to the same result.
    """
    from mvt_nas.cli.progress import Progress
    from mvt_nas.engine.start import resume_folder, search

    given = {name: value for name, value in settings.items() if value not in (None, (), False)}
    with Progress() as progress:
        if resume and space is None and not set(given) - {"trials"}:
            if out is None:
                raise click.UsageError("--resume needs --out, the folder of the run to go on with")
            result = resume_folder(out, trials=given.get("trials"), workers=workers, listener=progress)
        else:
            if space is None:
                raise click.UsageError("SPACE is missing: a file, or a name such as mobilevit (see mvt-nas space list)")
            result = search(space, workers=workers, out=out, resume=resume, listener=progress, **_arguments(given))
    _finish(result, as_json)


def _arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Return the options as arguments of :func:`mvt_nas.search`."""
    from mvt_nas.cli.choices import parse_fixed
    from mvt_nas.engine.config import Scoring

    scoring = {"resolution_px": given.pop("score_px", None), "images": given.pop("score_images", None)}
    arguments = {name: given[name] for name in given if name not in ("fixed", "no_warm_start")}
    arguments["scoring"] = Scoring(**{name: value for name, value in scoring.items() if value is not None})
    arguments["warm_start"] = not given.get("no_warm_start", False)
    if "fixed" in given:
        arguments["fix"] = parse_fixed(given["fixed"])
    return arguments


def _finish(result: Any, as_json: bool) -> None:
    """Write what reports add to the folder, print the front and where everything lies."""
    from mvt_nas.cli.front import front_document, print_front
    from mvt_nas.report.plot import draw
    from mvt_nas.report.tables import candidates_frame, front_frame

    run = result.run
    files = [run.folder / name for name in ("front.png", "front.svg", "front.csv", "candidates.csv")]
    if run.candidates:
        for path in files[:2]:
            draw(run, path)
        front_frame(run).to_csv(files[2], index=False)
        candidates_frame(run).to_csv(files[3], index=False)
    if as_json:
        print_json(front_document(run))
    else:
        print_front(run)
        _say_how_it_ended(result)
        for path in files if run.candidates else []:
            click.echo(f"  {path}")
    if result.interrupted:
        raise KeyboardInterrupt


def _say_how_it_ended(result: Any) -> None:
    run = result.run
    if result.exhausted:
        click.echo(
            f"\nThe space is exhausted: {len(run.candidates)} feasible architectures are all there are (or all that could be found)."
        )
    if result.interrupted:
        click.echo(f"\nInterrupted; everything is kept. Go on with:  mvt-nas search --resume --out {run.folder}")
    click.echo(f"\nThe run, its pictures and tables are in {run.folder}:")
