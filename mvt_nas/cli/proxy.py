"""``mvt-nas proxy``: list training-free scores, compute them, and validate them."""

from __future__ import annotations

from pathlib import Path

import click

from mvt_nas.accuracy.plots import draw
from mvt_nas.accuracy.proxy_validation import ProxyValidation, score_networks, validate
from mvt_nas.accuracy.table import read_table
from mvt_nas.cli.network_spec import resolve
from mvt_nas.cli.options import JSON, seed_option
from mvt_nas.cli.render import print_json, print_table
from mvt_nas.proxies.base import PROXIES
from mvt_nas.resources import default_table

_PROXY = click.option(
    "--proxy",
    "names",
    multiple=True,
    metavar="NAME",
    help="Proxy to compute; may be repeated.  [default: all]",
)


@click.command("validate")
@click.argument(
    "table", metavar="[TABLE]", type=click.Path(path_type=Path, dir_okay=False), required=False
)
@_PROXY
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    metavar="N",
    help="Seeds of the initial weights of each network.",
)
@seed_option(" of splits and resamples")
@click.option(
    "--pictures",
    "plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to write a plot of each proxy to.",
)
@JSON
def validate_command(
    table: Path | None,
    names: tuple[str, ...],
    seeds: int,
    seed: int,
    plots: Path | None,
    as_json: bool,
) -> None:
    """Validate proxies on an accuracy table, compared with counting and at equal size.

    The default is the table that ships.
    """
    chosen = [PROXIES.get(name).name for name in names or PROXIES.names()]
    path = table or default_table()
    networks = read_table(path).networks()
    scores = score_networks(networks, chosen, seeds=seeds, listener=_progress)
    validations = validate(networks, scores, seed=seed)
    if plots is not None:
        for entry in validations:
            draw(entry, scores[entry.proxy], networks, plots / f"{entry.proxy}.png")
    if as_json:
        print_json(
            {
                "table": str(path),
                "n": len(networks),
                "proxies": [entry.to_dict() for entry in validations],
            }
        )
        return
    header = [
        "score",
        "tau",
        "sign by halves",
        "given size, depth",
        "one size",
        "nDCG@10",
        "regret",
        "against counting",
        "verdict",
    ]
    print_table(header, [_row(entry) for entry in validations])


def _progress(done: int, total: int) -> None:
    if done % 10 == 0 or done == total:
        click.echo(f"{done}/{total} networks scored", err=True)


def _row(validation: ProxyValidation) -> list[str]:
    matched = "" if validation.tau_matched is None else f"{validation.tau_matched:.2f}"
    return [
        validation.proxy,
        f"{validation.tau:.2f}",
        f"{validation.tau_split:.2f}",
        f"{validation.tau_partial:.2f}",
        matched,
        f"{validation.ndcg10:.2f}",
        f"{validation.regret:.1f}",
        f"{validation.delta_low:+.2f} to {validation.delta_high:+.2f}",
        validation.verdict,
    ]


@click.group("proxy")
def proxy_group() -> None:
    """List, compute and validate training-free scores."""


@proxy_group.command("list")
@JSON
def list_command(as_json: bool) -> None:
    """List the proxies with their cost and source."""
    fields = ("name", "direction", "passes", "labelled", "worst", "source")
    entries = [
        {field: getattr(PROXIES.get(name), field) for field in fields} for name in PROXIES.names()
    ]
    if as_json:
        print_json(entries)
        return
    rows = [
        [
            entry["name"],
            entry["direction"],
            entry["passes"],
            "yes" if entry["labelled"] else "no",
            entry["source"],
        ]
        for entry in entries
    ]
    print_table(["score", "better", "passes", "labels", "source"], rows, text_columns=5)


@proxy_group.command("score")
@click.argument("architectures", nargs=-1, required=True, metavar="NAME|FILE|RUN:ID|FOLDER...")
@_PROXY
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed of the initial weights and the batch.",
)
@click.option(
    "--resolution",
    type=click.IntRange(8, 1024),
    default=64,
    show_default=True,
    metavar="PX",
    help="Side of the images.",
)
@click.option(
    "--images",
    type=click.IntRange(2, 1024),
    default=32,
    show_default=True,
    metavar="N",
    help="Images in the batch.",
)
@click.option(
    "--data",
    type=click.Choice(["digits", "noise"]),
    default="digits",
    show_default=True,
    help="Input images: scikit-learn's digits, or Gaussian noise.",
)
@JSON
def score_command(
    architectures: tuple[str, ...],
    names: tuple[str, ...],
    seed: int,
    resolution: int,
    images: int,
    data: str,
    as_json: bool,
) -> None:
    """Score architectures with their initial weights.

    A score is not an accuracy; it compares networks that are scored in the same way.
    """
    from mvt_nas.cli.proxy_scores import make_batch, score_networks_once

    chosen = [PROXIES.get(name).name for name in names or PROXIES.names()]
    resolved = {name: resolve(name)[1] for name in architectures}
    batch = make_batch(data, images, resolution, seed)
    entries = list(score_networks_once(resolved, chosen, batch, seed))
    if as_json:
        print_json(entries)
        return
    rows = [
        [
            entry["architecture"],
            entry["proxy"],
            "-" if entry["value"] is None else f"{entry['value']:.6g}",
            entry["status"],
        ]
        for entry in entries
    ]
    print_table(["architecture", "score", "value", "status"], rows, text_columns=2)


proxy_group.add_command(validate_command)
