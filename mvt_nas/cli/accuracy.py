"""``mvt-nas accuracy``: evaluation, comparison and use of accuracy tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mvt_nas.accuracy.evaluation import evaluate, evaluate_on
from mvt_nas.accuracy.imagenet import imagenet_top1
from mvt_nas.accuracy.protocol import at_protocol
from mvt_nas.accuracy.quality import cache_quality, surrogate_quality
from mvt_nas.accuracy.ranking_metrics import table_agreement
from mvt_nas.accuracy.surrogate import Surrogate
from mvt_nas.accuracy.table import read_table
from mvt_nas.cli.network_spec import resolve
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.resources import default_table

_TABLE = click.Path(path_type=Path, dir_okay=False)


@click.group("accuracy")
def accuracy_group() -> None:
    """Predict accuracy from trained networks, with its error."""


@accuracy_group.command("evaluate")
@click.argument("table", metavar="[TABLE]", type=_TABLE, required=False)
@click.option(
    "--on",
    "others",
    type=_TABLE,
    metavar="OTHER",
    help="Fit to TABLE, and evaluate on the networks of another table.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="S",
    help="Random seed of folds and resamples.",
)
@click.option(
    "--save",
    is_flag=True,
    help="Save the figures next to the table, where searches look first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def evaluate_command(
    table: Path | None, others: Path | None, seed: int, save: bool, as_json: bool
) -> None:
    """Evaluate the surrogate by nested cross-validation on an accuracy table.

    The default is the table that ships.
    """
    path = table or default_table()
    networks = read_table(path).networks()
    if others is not None:
        _print_on(others, evaluate_on(networks, read_table(others).networks()), as_json)
        return
    figures = evaluate(networks, seed=seed).figures
    if save:
        cache_quality(surrogate_quality(networks, figures), path)
    if as_json:
        print_json({"table": str(path), "seed": seed, **figures})
        return
    click.echo(
        f"{path}: {figures['n']} networks, accuracy repeats to {figures['seed_sd']:.2f} points over"
        " seeds"
    )
    taus = [_or_blank(figures[name]) for name in ("tau", "tau_params", "tau_macs", "noise_ceiling")]
    rows = [
        ["Kendall's tau, all networks", *taus],
        [
            "networks of one size",
            f"{figures['tau_matched']:.3f}",
            "",
            "",
            _or_blank(figures["noise_ceiling_matched"]),
        ],
    ]
    print_table(["", "surrogate", "params", "MACs", "ceiling"], rows)
    interval = f"{figures['delta_low']:+.3f} to {figures['delta_high']:+.3f}"
    click.echo(
        f"\nagainst the best count ({figures['best_counting']}): {interval} (95 % paired bootstrap)"
    )
    coverage = (
        f"{100 * figures['coverage90']:.0f} % of {figures['coverage_n']} networks are in their 90 %"
        " intervals"
    )
    click.echo(f"mean error {figures['mae']:.2f} points; {coverage}")


def _print_on(others: Path, figures: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json({"table": str(others), **figures})
        return
    click.echo(f"{others}: {figures['n']} networks that the surrogate was not fitted to")
    print_table(
        ["", "surrogate", "params", "MACs"],
        [["Kendall's tau", *(f"{figures[f'tau{of}']:.3f}" for of in ("", "_params", "_macs"))]],
    )
    click.echo(
        f"\nmean error {figures['mae']:.2f} points; {100 * figures['coverage90']:.0f} % are in"
        " their 90 % intervals"
    )


def _or_blank(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


@accuracy_group.command("agree")
@click.argument("table", metavar="TABLE", type=_TABLE)
@click.argument("other", metavar="OTHER", type=_TABLE)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def agree_command(table: Path, other: Path, as_json: bool) -> None:
    """Compare the order of the networks in two tables, such as short and long trainings."""
    found = table_agreement(read_table(table), read_table(other))
    if as_json:
        print_json(found.to_dict())
        return
    click.echo(
        f"{found.n} networks in both: Kendall's tau {found.tau:.3f}, Spearman {found.spearman:.3f}"
    )
    click.echo(f"mean accuracy {found.mean:.1f} % in {table}, {found.other_mean:.1f} % in {other}")


@accuracy_group.command("predict")
@click.argument("networks", metavar="NAME|FILE|RUN:ID|FOLDER...", nargs=-1, required=True)
@click.option(
    "--table",
    type=_TABLE,
    metavar="TABLE",
    help="Accuracy table.  [default: the one that ships]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def predict_command(networks: tuple[str, ...], table: Path | None, as_json: bool) -> None:
    """Predict accuracies under the table's protocol, and ImageNet top-1.

    The accuracy comes with a 90 % interval, the ImageNet top-1 with its error. An architecture for
    large images is first adapted to the table's small ones (strides and patches), as for training.
    """
    found = read_table(table or default_table())
    named = [resolve(name) for name in networks]
    estimates = Surrogate(found.networks()).predict(
        [at_protocol(architecture, found) for _, architecture in named]
    )
    entries: list[dict[str, Any]] = []
    for index, (name, architecture) in enumerate(named):
        top1 = imagenet_top1(architecture)
        entries.append(
            {
                "network": name,
                "key": architecture.key,
                "accuracy": round(float(estimates.percent[index]), 3),
                "low": round(float(estimates.low[index]), 3),
                "high": round(float(estimates.high[index]), 3),
                "outside": bool(estimates.outside[index]),
                "imagenet_top1": round(top1.percent, 2),
                "imagenet_error": round(top1.error, 2),
                "imagenet_outside": not top1.inside,
            }
        )
    if as_json:
        print_json(entries)
        return
    print_table(
        ["network", "accuracy %", "90 % interval", "ImageNet top-1, about"],
        [_row(entry) for entry in entries],
    )
    if any(entry["outside"] or entry["imagenet_outside"] for entry in entries):
        click.echo(
            "\n*: larger or smaller than any network that was trained or published; the interval"
            " promises nothing"
        )


def _row(entry: dict[str, Any]) -> list[str]:
    interval = f"{entry['low']:.1f} to {entry['high']:.1f}"
    top1 = (
        f"{entry['imagenet_top1']:.1f} ±"
        f" {entry['imagenet_error']:.1f}{'*' if entry['imagenet_outside'] else ''}"
    )
    return [
        entry["network"],
        f"{entry['accuracy']:.1f}{'*' if entry['outside'] else ''}",
        interval,
        top1,
    ]
