"""``mvt-nas space``: the size, the costs and the budgets of search spaces."""

from __future__ import annotations

from typing import Any

import click

from mvt_nas.cli.fixed_dimensions import parse_fixed
from mvt_nas.cli.options import TABLE_JSON
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.nas.space_summary import summarize_space
from mvt_nas.report.formatting import format_number
from mvt_nas.resources import shipped_spaces
from mvt_nas.space.search_space import load_space


@click.group("space")
def space_group() -> None:
    """Inspect search spaces."""


@space_group.command("check")
@click.argument("space", metavar="SPACE")
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="'NAME<=VALUE'",
    help="Limit on a cost, such as 'macs<=1.2G' or 'latency_ms<=15'. May be repeated.",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME[,FIELD=VALUE]",
    help="Also print the costs for a task: detection or segmentation. May be repeated.",
)
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="DIM=VALUE",
    help="Fix a dimension to one value. May be repeated.",
)
@click.option(
    "--samples",
    type=click.IntRange(100, 10_000_000),
    default=100_000,
    show_default=True,
    metavar="N",
    help="Random architectures for medians and shares.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the random architectures.",
)
@TABLE_JSON
def check_command(
    space: str,
    budgets: tuple[str, ...],
    tasks: tuple[str, ...],
    fixed: tuple[str, ...],
    samples: int,
    seed: int,
    as_json: bool,
) -> None:
    """Check a search space; print its size, its costs, and the tightest budgets it can meet.

    SPACE is a file, or the name of a shipped space such as mobilevit.
    """
    loaded = load_space(space)
    report = summarize_space(
        loaded.fix(parse_fixed(fixed)) if fixed else loaded,
        budgets,
        tasks=tasks,
        samples=samples,
        seed=seed,
    )
    if as_json:
        print_json(report)
        return
    _print(report)


def _print(report: dict[str, Any]) -> None:
    click.echo(
        f"{report['name']}: {report['size']:,} architectures in {report['dimensions']} dimensions"
        f" (hash {report['hash']})\n"
    )
    rows = [
        [name, *(format_number(entry[column]) for column in ("min", "median", "max"))]
        for name, entry in report["costs"].items()
    ]
    print_table(["cost", "min", "median", "max"], rows)
    click.echo(
        f"\nmedian over {report['samples']:,} architectures drawn uniformly; published models in"
        f" the space: {len(report['published'])}"
    )
    if report["budgets"]:
        answer = "can be met" if report["satisfiable"] else "CANNOT be met"
        click.echo(
            f"all budgets together {answer}; {100 * report['feasible_share']:.4g} % of the random"
            " architectures meet them\n"
        )
        header = ["budget", "feasible %", "tightest alone", "tightest with the others"]
        print_table(header, [_budget_row(entry) for entry in report["budgets"]])


def _budget_row(entry: dict[str, Any]) -> list[str]:
    together = entry["tightest_together"]
    return [
        entry["budget"],
        f"{100 * entry['feasible_share']:.4g}",
        format_number(entry["tightest"]),
        "none" if together is None else format_number(together),
    ]


@space_group.command("list")
@TABLE_JSON
def list_command(as_json: bool) -> None:
    """List the shipped search spaces."""
    spaces = [load_space(path) for path in sorted(shipped_spaces().glob("*.yaml"))]
    entries = [
        {
            "name": space.name,
            "size": space.size,
            "dimensions": len(space.dimensions),
            "description": space.document.get("description", ""),
            "file": space.where,
        }
        for space in spaces
    ]
    if as_json:
        print_json(entries)
        return
    rows = []
    for entry in entries:
        size = f"{entry['size']:.3g}" if entry["size"] > 1e7 else str(entry["size"])
        rows.append([entry["name"], entry["description"], str(entry["dimensions"]), size])
    header = ["space", "description", "dimensions", "architectures"]
    print_table(header, rows, text_columns=2)
