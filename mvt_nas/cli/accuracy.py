"""``mvt-nas accuracy``: evaluation, comparison and use of accuracy tables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from mvt_nas.accuracy.evaluation import evaluate, evaluate_on
from mvt_nas.accuracy.imagenet.constants import (
    CONSTANTS_FILE,
    fit_constants,
    read_constants,
    shipped_constants,
    write_constants,
)
from mvt_nas.accuracy.imagenet.estimator import imagenet_top1
from mvt_nas.accuracy.imagenet.evaluation import evaluate_imagenet
from mvt_nas.accuracy.imagenet.observations import observations
from mvt_nas.accuracy.imagenet.published_results import (
    PUBLISHED_FILE,
    published_results,
    read_published_results,
)
from mvt_nas.accuracy.protocol import protocol_of
from mvt_nas.accuracy.quality import (
    SurrogateQuality,
    cache_quality,
    measure_quality,
    predicted_by_law,
    surrogate_quality,
)
from mvt_nas.accuracy.ranking_metrics import table_agreement
from mvt_nas.accuracy.table import read_table
from mvt_nas.cli.network_spec import resolve
from mvt_nas.cli.options import JSON, seed_option
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.errors import AccuracyError
from mvt_nas.nas.problem.accuracy_model import load_accuracy_model
from mvt_nas.resources import benchmark_file, default_table

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
@seed_option(" of folds and resamples")
@click.option(
    "--save",
    is_flag=True,
    help="Save the figures next to the table, where searches look first.",
)
@click.option(
    "--imagenet",
    is_flag=True,
    help="Evaluate the ImageNet estimate on published results instead.",
)
@JSON
def evaluate_command(
    table: Path | None, others: Path | None, seed: int, save: bool, imagenet: bool, as_json: bool
) -> None:
    """Evaluate what predicts accuracy from an accuracy table, on networks that are left out.

    It is the surrogate, by nested cross-validation; or, of a few trainings and of those at 128 px
    and more, what corrects published networks. The default is the table that ships. With
    --imagenet, published results are held out of the ImageNet estimate: models, papers, sizes,
    384 px, ablations, and other families.
    """
    if imagenet:
        if table is not None or others is not None or save:
            raise AccuracyError("--imagenet: takes no TABLE, --on or --save")
        _print_imagenet(as_json)
        return
    path = table or default_table()
    trained = read_table(path)
    if others is None and predicted_by_law(trained):
        _print_by_law(path, measure_quality(trained), save, as_json)
        return
    networks = trained.networks()
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


def _print_by_law(path: Path, found: SurrogateQuality, save: bool, as_json: bool) -> None:
    if save:
        cache_quality(found, path)
    if as_json:
        print_json({"table": str(path), **found.figures})
        return
    click.echo(f"{path}: {found.describe()}")


def _print_imagenet(as_json: bool) -> None:
    figures = evaluate_imagenet(shipped_constants(), observations(), published_results())
    if as_json:
        print_json(figures)
        return
    click.echo(
        "ImageNet top-1 of published results that the estimate was not fitted to, in points:\n"
    )
    rows = [
        ["one of 19 models", figures["loo_mae"], "loo"],
        ["384 px", figures["px384"], "px384"],
        ["models of one size", figures["size_out"], "size_out"],
        ["MobileNetV2", figures["mobilenetv2_out"], "mobilenetv2_out"],
    ]
    print_table(
        ["left out", "mean error", "in 90 % interval"],
        [
            [name, f"{error:.2f}", f"{figures[f'{key}_inside']} of {figures[f'{key}_n']}"]
            for name, error, key in rows
        ],
    )
    families = ", ".join(f"{name} {error:.2f}" for name, error in figures["family_out"].items())
    strict = ", ".join(
        f"{name} {error:.2f}" for name, error in figures["family_out_strict"].items()
    )
    click.echo(
        f"\na paper's models left out: {families}; with its ablations: {strict}\n"
        f"steps of the resolution from 160 px up: {figures['resolution_steps']:.2f}\n"
        f"ablations: {figures['ablation_rows']:.2f} with the row left out,"
        f" {figures['ablation_tables']:.2f} with its table ({figures['ablation_signs']} of"
        f" {figures['ablation_n']} signs right)\n"
        f"{figures['families']} other families, each left out of the law:"
        f" {figures['families_mae']:.2f} above 70 %, {100 * figures['families_coverage']:.0f} % in"
        f" their 90 % intervals\n"
        f"Kendall's tau of the 19 models, each left out: {figures['loo_tau']:.3f}"
    )


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
@JSON
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
@JSON
def predict_command(networks: tuple[str, ...], table: Path | None, as_json: bool) -> None:
    """Predict accuracies under the table's protocol, and ImageNet top-1.

    Both come with their 90 % intervals. The ImageNet top-1 is that of a training at the network's
    own resolution. For the table's protocol, an architecture for large images is first adapted to
    small ones (strides and patches), as for training.
    """
    model = load_accuracy_model(table)
    named = [resolve(name) for name in networks]
    estimates = model.predict([architecture for _, architecture in named])
    top1 = imagenet_top1([architecture for _, architecture in named])
    entries = [
        {
            "network": name,
            "key": architecture.key,
            "resolution_px": architecture.resolution_px,
            "imagenet_top1": round(float(top1.percent[index]), 3),
            "imagenet_top1_low": round(float(top1.low[index]), 3),
            "imagenet_top1_high": round(float(top1.high[index]), 3),
            "in_domain": bool(top1.in_domain[index]),
            "beyond": round(float(top1.beyond[index]), 3),
            "known_shape": round(float(top1.known[index]), 3),
            "accuracy": round(float(estimates.percent[index]), 3),
            "low": round(float(estimates.low[index]), 3),
            "high": round(float(estimates.high[index]), 3),
            "outside": bool(estimates.outside[index]),
        }
        for index, (name, architecture) in enumerate(named)
    ]
    if as_json:
        print_json(entries)
        return
    print_table(
        ["network", "px", "ImageNet top-1 %", "90 % interval", "accuracy %", "90 % interval"],
        [_row(entry) for entry in entries],
    )
    if any(entry["outside"] or not entry["in_domain"] for entry in entries):
        click.echo(
            "\n*: unlike all networks that were trained or published, in size, resolution or shape;"
            " an extrapolation"
        )
    protocol = protocol_of(model.table)
    click.echo(
        f"\naccuracy: after {protocol.epochs} epochs at {protocol.pixels} px, as in"
        f" {model.table.where}"
    )


def _row(entry: dict[str, Any]) -> list[str]:
    return [
        entry["network"],
        str(entry["resolution_px"]),
        f"{entry['imagenet_top1']:.1f}{'' if entry['in_domain'] else '*'}",
        f"{entry['imagenet_top1_low']:.1f} to {entry['imagenet_top1_high']:.1f}",
        f"{entry['accuracy']:.1f}{'*' if entry['outside'] else ''}",
        f"{entry['low']:.1f} to {entry['high']:.1f}",
    ]


@accuracy_group.command("fit-imagenet")
@click.option(
    "--published",
    "path",
    type=_TABLE,
    metavar="TABLE.csv",
    help=f"Published results of other families.  [default: the shipped {PUBLISHED_FILE}]",
)
@click.option(
    "--out",
    type=_TABLE,
    metavar="FILE.json",
    help="File to write the constants to.  [default: compare with the shipped ones]",
)
def fit_imagenet_command(path: Path | None, out: Path | None) -> None:
    """Make the constants of the ImageNet estimate again from published results.

    Without --out the result is compared with the constants that ship.
    """
    results = None if path is None else read_published_results(path)
    constants = fit_constants(results)
    figures = evaluate_imagenet(constants, observations(), results or published_results())
    constants = replace(constants, figures=figures)
    if out is not None:
        write_constants(out, constants)
        click.echo(f"{out}: written")
        return
    shipped = benchmark_file(CONSTANTS_FILE)
    largest = _largest_difference(constants.to_dict(), read_constants(shipped).to_dict())
    click.echo(
        f"{len(constants.networks)} results of architectures,"
        f" {len(results or published_results())} of other networks; largest difference from"
        f" {shipped.name}: {largest:.2g}"
    )


def _largest_difference(one: Any, other: Any) -> float:
    """Return the largest absolute difference of two documents of the same form, in any number."""
    if isinstance(one, dict):
        return max((_largest_difference(one[name], other[name]) for name in one), default=0.0)
    if isinstance(one, list):
        pairs = zip(one, other, strict=True)
        return max((_largest_difference(*pair) for pair in pairs), default=0.0)
    if isinstance(one, str):
        return 0.0 if one == other else float("inf")
    return abs(float(one) - float(other))
