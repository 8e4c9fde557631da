"""``mvt-nas space``: what a search space holds, before anything is searched."""

from __future__ import annotations

from typing import Any

import click

from mvt_nas.cli.render import format_number, print_json, print_table


@click.group("space")
def space_group() -> None:
    """Look at search spaces."""


@space_group.command("check")
@click.argument("space", metavar="SPACE")
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="'NAME<=VALUE'",
    help="A bound on a cost, such as 'macs<=1.2G' or 'latency_ms<=15'. May be repeated.",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="NAME[,FIELD=VALUE]",
    help="Also the costs with this task's head, detection or segmentation. May be repeated.",
)
@click.option(
    "--fix",
    "fixed",
    multiple=True,
    metavar="DIM=VALUE",
    help="Give a dimension one value. May be repeated.",
)
@click.option(
    "--samples",
    type=click.IntRange(100, 10_000_000),
    default=100_000,
    show_default=True,
    metavar="N",
    help="Architectures drawn for medians and shares.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draw.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def check_command(
    space: str,
    budgets: tuple[str, ...],
    tasks: tuple[str, ...],
    fixed: tuple[str, ...],
    samples: int,
    seed: int,
    as_json: bool,
) -> None:
    """Check a space file; print its size, its costs, and how tight budgets can be.

    SPACE is a file or the name of a space that ships, such as mobilevit.
    """
    from mvt_nas.cli.parameters import parse_fixed
    from mvt_nas.nas.space_summary import summarize_space
    from mvt_nas.space.search_space import load_space

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
            f"all budgets together {answer}; by {100 * report['feasible_share']:.4g} % of the"
            " draw\n"
        )
        header = ["budget", "feasible %", "tightest alone", "tightest with the others"]
        print_table(header, [_budget_row(entry) for entry in report["budgets"]])


def _budget_row(entry: dict[str, Any]) -> list[str]:
    together = (
        "none" if entry["tightest_together"] is None else format_number(entry["tightest_together"])
    )
    return [
        entry["budget"],
        f"{100 * entry['feasible_share']:.4g}",
        format_number(entry["tightest"]),
        together,
    ]


@space_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def list_command(as_json: bool) -> None:
    """List the spaces that ship."""
    from mvt_nas.resources import shipped_spaces
    from mvt_nas.space.search_space import load_space

    spaces = [load_space(path) for path in sorted(shipped_spaces().glob("*.yaml"))]
    entries = [
        {
            "name": s.name,
            "size": s.size,
            "dimensions": len(s.dimensions),
            "description": s.document.get("description", ""),
            "file": s.where,
        }
        for s in spaces
    ]
    if as_json:
        print_json(entries)
        return
    print_table(
        ["space", "description", "dimensions", "architectures"],
        [
            [
                e["name"],
                e["description"],
                str(e["dimensions"]),
                f"{e['size']:.3g}" if e["size"] > 1e7 else str(e["size"]),
            ]
            for e in entries
        ],
        text_columns=2,
    )
