"""``mvt-nas bench samplers``: how much of the best front samplers find, and after how many evaluations.

``mvt-nas bench``: measurements that take long and are made to be kept.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.render import print_json


@click.command("samplers")
@click.option(
    "--problem",
    "problems",
    multiple=True,
    metavar="NAME",
    help="Problem to search; may be repeated.  [default: all]",
)
@click.option(
    "--samplers",
    default="mvt,nsga2,tpe,random",
    show_default=True,
    metavar="A,B",
    help="Samplers to compare.",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=10,
    show_default=True,
    metavar="N",
    help="Searches of each sampler.",
)
@click.option(
    "--trials",
    type=click.IntRange(50),
    default=400,
    show_default=True,
    metavar="N",
    help="Evaluations of each search.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def samplers_command(
    problems: tuple[str, ...], samplers: str, seeds: int, trials: int, as_json: bool
) -> None:
    """Compare samplers on problems whose best front is known.

    Prints the median hypervolume after 50, 100, 200 and 400 evaluations, as a share of that of the
    best front. The costly objective is predicted by the surrogate that ships, or made up;
    evaluating it costs nothing. Where evaluations are noisy, true values count.
    """
    from mvt_nas.nas.benchmark.problem import PROBLEMS
    from mvt_nas.nas.benchmark.runs import compared, medians
    from mvt_nas.nas.samplers.base import SAMPLERS

    names = [name.strip() for name in samplers.split(",") if name.strip()]
    for name in names:
        SAMPLERS.get(name)
    found: list[dict[str, Any]] = []
    for problem_name in [*problems] or PROBLEMS.names():
        problem = PROBLEMS.get(problem_name)()
        runs = compared(problem, names, seeds, trials, lambda sampler, seed, seconds: None)
        shares = {name: medians(searches) for name, searches in runs.items()}
        found.append(
            {
                "name": problem_name,
                "about": problem.about,
                "front": problem.front_size,
                "seeds": seeds,
                "samplers": shares,
            }
        )
        if not as_json:
            _show(found[-1])
    if as_json:
        print_json({"problems": found})


def _show(problem: dict[str, Any]) -> None:
    """Print the shares of one problem in percent."""
    click.echo(
        f"{problem['name']}: {problem['about']}; {problem['front']} points on the best front"
    )
    for name, shares in problem["samplers"].items():
        click.echo(
            f"  {name:10}"
            + "".join(f"{100 * share:9.2f} % at {trials}" for trials, share in shares.items())
        )


@click.group("bench")
def bench_group() -> None:
    """Make tables to judge by."""


bench_group.add_command(samplers_command)


@bench_group.command("train")
@click.option(
    "--space",
    default="small_images",
    show_default=True,
    metavar="SPACE",
    help="From which the networks are taken.",
)
@click.option(
    "--data",
    default="digits",
    show_default=True,
    metavar="SOURCE",
    help="Pictures: digits, a folder by class, .npz or Parquet.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TABLE.csv",
    help="The table; it is appended to.",
)
@click.option(
    "--n",
    type=click.IntRange(8),
    default=36,
    show_default=True,
    metavar="N",
    help="Networks spread over sizes.",
)
@click.option(
    "--matched",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    metavar="N",
    help="Networks of one size, within 5 % of MACs.",
)
@click.option(
    "--published",
    type=click.IntRange(0, 19),
    default=6,
    show_default=True,
    metavar="N",
    help="Published designs, shrunk to that size.",
)
@click.option(
    "--repeats",
    type=click.IntRange(0),
    default=8,
    show_default=True,
    metavar="N",
    help="Networks that are trained with three seeds.",
)
@click.option(
    "--protocol",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="How to train, YAML.  [default: ten epochs at 32 px]",
)
@click.option(
    "--matched-macs",
    type=float,
    metavar="MACS",
    help="MACs of the networks of one size.  [default: the median]",
)
@click.option("--most-macs", type=float, metavar="MACS", help="MACs of the largest network.")
@click.option(
    "--draw",
    type=click.Choice(["choices", "architectures"]),
    default="choices",
    show_default=True,
    help=(
        "Over what networks are drawn uniformly; most architectures have a transformer wherever one"
        " may be."
    ),
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Pictures per class that are read."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="S",
    help="Of the choice of networks.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    metavar="W",
    help="Trainings at a time, each on one thread.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="What to train on.",
)
@click.option(
    "--most", type=click.IntRange(1), metavar="N", help="Trainings to do now.  [default: all]"
)
def train_command(
    space: str,
    data: str,
    out: Path,
    n: int,
    matched: int,
    published: int,
    repeats: int,
    protocol: Path | None,
    matched_macs: float | None,
    most_macs: float | None,
    draw: str,
    limit: int | None,
    seed: int,
    workers: int,
    device: str,
    most: int | None,
) -> None:
    """Train many networks of a space and append each to one table.

    Interrupted, the same command goes on; with larger numbers, the table grows.
    """
    from mvt_nas.accuracy.dataset_builder import TableBuilder, build_table
    from mvt_nas.accuracy.protocol import default_protocol
    from mvt_nas.data.load import load_images
    from mvt_nas.space.search_space import load_space
    from mvt_nas.training.short_recipe import ShortRecipe

    benchmark = TableBuilder(
        load_space(space),
        data,
        (
            ShortRecipe.load(protocol)
            if protocol
            else default_protocol(len(load_images(data, ShortRecipe().pixels, limit=limit)))
        ),
        spread=n,
        matched=matched,
        published=published,
        repeated=repeats,
        seed=seed,
        budget=matched_macs,
        most_macs=most_macs,
        limit=limit,
        draw=draw,
    )
    with _progress() as listener:
        table = build_table(
            benchmark, out, workers=workers, device=device, most=most, listener=listener
        )
    click.echo(
        f"{out}: {len(table.trainings)} trainings; judge scores by it: mvt-nas proxy validate {out}"
    )


@contextmanager
def _progress() -> Iterator[Any]:
    """Yield a listener: a bar on a terminal, a line per training elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total, one: click.echo(
            f"{done}/{total} {one.title} seed {one.seed}: {one.accuracy:.2f} % ({one.status})",
            err=True,
        )
        return
    from tqdm import tqdm

    with tqdm(unit="training", dynamic_ncols=True, file=sys.stderr) as bar:

        def listener(done: int, total: int, one: Any) -> None:
            bar.total = total
            bar.set_postfix_str(f"{one.title} {one.accuracy:.2f} %", refresh=False)
            bar.update(done - bar.n)

        yield listener
