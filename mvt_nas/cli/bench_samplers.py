"""``mvt-nas bench samplers``: how much of the best front samplers find, and after how many evaluations."""

from __future__ import annotations

from typing import Any

import click

from mvt_nas.cli.tables import print_json


@click.command("samplers")
@click.option("--problem", "problems", multiple=True, metavar="NAME", help="Problem to search; may be repeated.  [default: all]")
@click.option("--samplers", default="mvt,nsga2,tpe,random", show_default=True, metavar="A,B", help="Samplers to compare.")
@click.option("--seeds", type=click.IntRange(1, 1000), default=10, show_default=True, metavar="N", help="Searches of each sampler.")
@click.option("--trials", type=click.IntRange(50), default=400, show_default=True, metavar="N", help="Evaluations of each search.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def samplers_command(problems: tuple[str, ...], samplers: str, seeds: int, trials: int, as_json: bool) -> None:
    """Compare samplers on problems whose best front is known.

    Prints the median hypervolume after 50, 100, 200 and 400 evaluations, as a share of that of the best front. The costly objective is
    predicted by the surrogate that ships, or made up; evaluating it costs nothing. Where evaluations are noisy, true values count.
    """
    from mvt_nas.engine.bench.problem import PROBLEMS
    from mvt_nas.engine.bench.runs import compared, medians
    from mvt_nas.engine.samplers.contract import SAMPLERS

    names = [name.strip() for name in samplers.split(",") if name.strip()]
    for name in names:
        SAMPLERS.get(name)
    found: list[dict[str, Any]] = []
    for problem_name in [*problems] or PROBLEMS.names():
        problem = PROBLEMS.get(problem_name)()
        runs = compared(problem, names, seeds, trials, lambda sampler, seed, seconds: None)
        shares = {name: medians(searches) for name, searches in runs.items()}
        found.append({"name": problem_name, "about": problem.about, "front": problem.front_size, "seeds": seeds, "samplers": shares})
        if not as_json:
            _show(found[-1])
    if as_json:
        print_json({"problems": found})


def _show(problem: dict[str, Any]) -> None:
    """Print the shares of one problem in percent."""
    click.echo(f"{problem['name']}: {problem['about']}; {problem['front']} points on the best front")
    for name, shares in problem["samplers"].items():
        click.echo(f"  {name:10}" + "".join(f"{100 * share:9.2f} % at {trials}" for trials, share in shares.items()))
