"""``mvt-nas bench``: compare samplers on known problems, and build accuracy tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from tqdm import tqdm

from mvt_nas.accuracy.protocol import protocol_of
from mvt_nas.accuracy.table import COMPLETE, AccuracyTable, TrainedNetwork, read_table
from mvt_nas.accuracy.table_builder import TableBuilder, build_table
from mvt_nas.accuracy.training_plan import read_plan
from mvt_nas.cli.options import JSON, seed_option
from mvt_nas.cli.render import print_json
from mvt_nas.data.load import load_images
from mvt_nas.metrics.binomial import format_accuracy
from mvt_nas.nas.benchmark.problem import PROBLEMS
from mvt_nas.nas.samplers.base import SAMPLERS
from mvt_nas.space.search_space import load_space
from mvt_nas.training.protocol_size import load_protocol
from mvt_nas.training.reliability import protocol_notes, unordered
from mvt_nas.training.short_recipe import ShortRecipe


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
    help="Searches with each sampler.",
)
@click.option(
    "--trials",
    type=click.IntRange(50),
    default=400,
    show_default=True,
    metavar="N",
    help="Evaluations of each search.",
)
@JSON
def samplers_command(
    problems: tuple[str, ...], samplers: str, seeds: int, trials: int, as_json: bool
) -> None:
    """Compare samplers on problems with a known Pareto front.

    Prints the median hypervolume after 50, 100, 200 and 400 evaluations, relative to that of the
    known front. The costly objective is predicted by the surrogate that ships, or synthetic, so
    evaluations cost nothing. For noisy evaluations, true values count.
    """
    from mvt_nas.nas.benchmark.runs import compared, medians

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
            _print_problem(found[-1])
    if as_json:
        print_json({"problems": found})


def _print_problem(problem: dict[str, Any]) -> None:
    """Print the hypervolumes of one problem, in percent of the known front's."""
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
    """Benchmark samplers, and train networks for accuracy tables."""


bench_group.add_command(samplers_command)


@bench_group.command("train")
@click.option(
    "--space",
    default="small_images",
    show_default=True,
    metavar="SPACE",
    help="Search space of the networks.",
)
@click.option(
    "--data",
    default="digits",
    show_default=True,
    metavar="SOURCE",
    help="Images: digits, a folder by class, .npz or Parquet.",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="TABLE.csv",
    help="Accuracy table to write or extend.",
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
    help="Networks of equal size, within 5 % of MACs.",
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
    help="Networks to train with three seeds.",
)
@click.option(
    "--protocol",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=(
        "Training protocol, YAML.  [default: that of the table, or 32 px and at least ten epochs]"
    ),
)
@click.option(
    "--matched-macs",
    type=float,
    metavar="MACS",
    help="MACs of the networks of equal size.  [default: the median]",
)
@click.option(
    "--networks",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.csv",
    help=(
        "Train the networks of a file instead, with the columns panel, title, seed and"
        " architecture (JSON); an accuracy table is such a file."
    ),
)
@click.option("--most-macs", type=float, metavar="MACS", help="MACs of the largest network.")
@click.option(
    "--draw",
    type=click.Choice(["choices", "architectures"]),
    default="choices",
    show_default=True,
    help=(
        "Draw networks uniformly over choices, or over architectures, most of which have a"
        " transformer in every stage that allows one."
    ),
)
@click.option(
    "--limit", type=click.IntRange(1), metavar="N", help="Images per class to read.  [default: all]"
)
@seed_option(" of the choice of networks")
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    default=1,
    show_default=True,
    metavar="W",
    help="Concurrent trainings, each on one thread.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device to train on.",
)
@click.option(
    "--most",
    type=click.IntRange(1),
    metavar="N",
    help="Number of trainings to run now.  [default: all]",
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
    networks: Path | None,
    most_macs: float | None,
    draw: str,
    limit: int | None,
    seed: int,
    workers: int,
    device: str,
    most: int | None,
) -> None:
    """Train many networks of a space and append them to an accuracy table.

    The same command resumes an interrupted run; with larger numbers, it extends the table.
    """
    recipe = _protocol(protocol, out, data, limit)
    builder = TableBuilder(
        load_space(space),
        data,
        recipe,
        spread=n,
        matched=matched,
        published=published,
        repeated=repeats,
        seed=seed,
        budget=matched_macs,
        most_macs=most_macs,
        limit=limit,
        draw=draw,
        given=() if networks is None else read_plan(networks),
    )
    with _progress(recipe.validation_images) as listener:
        table = build_table(
            builder, out, workers=workers, device=device, most=most, listener=listener
        )
    click.echo(
        f"{out}: {len(table.trainings)} trainings; validate proxies with it: mvt-nas proxy validate"
        f" {out}"
    )
    for note in _notes(table, recipe):
        click.echo(note)


def _protocol(given: Path | None, out: Path, data: str, limit: int | None) -> ShortRecipe:
    """Return the protocol of a file, of a table that is extended, or else the scaled default."""
    if given is None and out.exists():
        return protocol_of(read_table(out))
    return load_protocol(
        given,
        lambda recipe: load_images(data, recipe.pixels, limit=limit, seed=recipe.split_seed),
    )


def _notes(table: AccuracyTable, recipe: ShortRecipe) -> Iterator[str]:
    """Yield sentences on what the accuracies of a table cannot show."""
    complete = [one for one in table.trainings if one.status == COMPLETE]
    yield from protocol_notes(recipe, [one.accuracy for one in complete], table.num_classes)
    # The seeds of one network need no order.
    first_seeds = [one.accuracy for one in complete if one.seed == 0]
    order = unordered(
        first_seeds, recipe.validation_images, f"all {len(first_seeds)} networks of the table"
    )
    if order is not None:
        yield order


@contextmanager
def _progress(validation_images: int) -> Iterator[Callable[[int, int, TrainedNetwork], None]]:
    """Yield a listener: a bar on a terminal, a line per training elsewhere."""

    def accuracy(training: TrainedNetwork) -> str:
        if training.status != COMPLETE:
            return "no accuracy"
        return format_accuracy(training.accuracy, validation_images, unit=" %")

    if not sys.stderr.isatty():

        def print_training(done: int, total: int, training: TrainedNetwork) -> None:
            result = f"{accuracy(training)}, {training.status}"
            click.echo(f"{done}/{total} {training.title} seed {training.seed}: {result}", err=True)

        yield print_training
        return
    with tqdm(unit="training", dynamic_ncols=True, file=sys.stderr) as bar:

        def update_bar(done: int, total: int, training: TrainedNetwork) -> None:
            bar.total = total
            bar.set_postfix_str(f"{training.title} {accuracy(training)}", refresh=False)
            bar.update(done - bar.n)

        yield update_bar
