"""``mvt-nas proxy validate``: what training-free scores are worth, by networks that were trained.

``mvt-nas proxy``: training-free scores, which there are and what they give.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.render import print_json, print_table

if TYPE_CHECKING:
    from mvt_nas.proxies.base import Batch


@click.command("validate")
@click.argument(
    "table", metavar="[TABLE]", type=click.Path(path_type=Path, dir_okay=False), required=False
)
@click.option(
    "--proxy",
    "names",
    multiple=True,
    metavar="NAME",
    help="A score; may be repeated.  [default: all]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=2,
    show_default=True,
    metavar="N",
    help="Initial weights per network.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    metavar="S",
    help="Of splits and resamples.",
)
@click.option(
    "--pictures",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="A picture of each score goes there.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def validate_command(
    table: Path | None,
    names: tuple[str, ...],
    seeds: int,
    seed: int,
    pictures: Path | None,
    as_json: bool,
) -> None:
    """Judge scores by a table of trained networks, by default the one that ships: beside counting, and at equal size."""
    from mvt_nas.accuracy.plots import draw
    from mvt_nas.accuracy.proxy_validation import score_networks, validate
    from mvt_nas.accuracy.table import read_table
    from mvt_nas.proxies.base import PROXIES
    from mvt_nas.resources import default_table

    wanted = [PROXIES.get(name).name for name in names or PROXIES.names()]
    path = table or default_table()
    networks = read_table(path).networks()
    scores = score_networks(networks, wanted, seeds=seeds, listener=_progress)
    verdicts = validate(networks, scores, seed=seed)
    for verdict in verdicts if pictures else ():
        draw(verdict, scores[verdict.proxy], networks, pictures / f"{verdict.proxy}.png")  # type: ignore[operator]  # only with a folder
    if as_json:
        print_json(
            {
                "table": str(path),
                "n": len(networks),
                "proxies": [verdict.to_dict() for verdict in verdicts],
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
    print_table(header, [_row(verdict) for verdict in verdicts])


def _progress(done: int, total: int) -> None:
    if done % 10 == 0 or done == total:
        click.echo(f"{done}/{total} networks scored", err=True)


def _row(verdict: Any) -> list[str]:
    matched = "" if verdict.tau_matched is None else f"{verdict.tau_matched:.2f}"
    figures = [
        f"{verdict.tau:.2f}",
        f"{verdict.tau_split:.2f}",
        f"{verdict.tau_partial:.2f}",
        matched,
        f"{verdict.ndcg10:.2f}",
    ]
    interval = f"{verdict.delta_low:+.2f} to {verdict.delta_high:+.2f}"
    return [verdict.proxy, *figures, f"{verdict.regret:.1f}", interval, verdict.verdict]


@click.group("proxy")
def proxy_group() -> None:
    """List training-free scores, score architectures, and say what scores are worth."""


@proxy_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def list_command(as_json: bool) -> None:
    """List the scores: what they need, and where they are from."""
    from mvt_nas.proxies.base import PROXIES

    fields = ("name", "direction", "passes", "labelled", "worst", "source")
    entries = [
        {field: getattr(PROXIES.get(name), field) for field in fields} for name in PROXIES.names()
    ]
    if as_json:
        print_json(entries)
        return
    rows = [
        [e["name"], e["direction"], e["passes"], "yes" if e["labelled"] else "no", e["source"]]
        for e in entries
    ]
    print_table(["score", "better", "passes", "labels", "source"], rows, text_columns=5)


@proxy_group.command("score")
@click.argument("architectures", nargs=-1, required=True, metavar="NAME|FILE|RUN:ID|FOLDER...")
@click.option(
    "--proxy",
    "names",
    multiple=True,
    metavar="NAME",
    help="A score; may be repeated.  [default: all]",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Of the initial weights and of the batch.",
)
@click.option(
    "--resolution",
    type=click.IntRange(8, 1024),
    default=64,
    show_default=True,
    metavar="PX",
    help="Side of the images that are seen.",
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
    help="What the images show.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
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

    A score is no accuracy; it compares networks that were scored alike.
    """
    from mvt_nas.cli.network_spec import resolve
    from mvt_nas.proxies.base import PROXIES

    wanted = [PROXIES.get(name).name for name in names or PROXIES.names()]
    found = [resolve(name)[1] for name in architectures]
    entries = list(
        _scores(
            dict(zip(architectures, found, strict=True)),
            wanted,
            _batch(data, images, resolution, seed),
            seed,
        )
    )
    if as_json:
        print_json(entries)
        return
    rows = [
        [
            e["architecture"],
            e["proxy"],
            "-" if e["value"] is None else f"{e['value']:.6g}",
            e["status"],
        ]
        for e in entries
    ]
    print_table(["architecture", "score", "value", "status"], rows, text_columns=2)


def _batch(data: str, images: int, resolution_px: int, seed: int) -> Batch:
    from mvt_nas.proxies.batches import digits_batch, noise_batch

    return (
        digits_batch(images, resolution_px, seed)
        if data == "digits"
        else noise_batch(images, resolution_px, seed)
    )


def _scores(
    architectures: dict[str, Any], names: list[str], batch: Batch, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield one entry per architecture and score; computed on one thread, so that they repeat to the last digit."""
    from mvt_nas._threads_and_malloc import one_torch_thread
    from mvt_nas.models.network import build_model
    from mvt_nas.proxies.batches import DIGIT_CLASSES
    from mvt_nas.proxies.suite import score_all

    for title, architecture in architectures.items():
        with one_torch_thread():
            scores = score_all(
                build_model(architecture, num_classes=DIGIT_CLASSES, seed=seed), batch, names
            )
        for name, score in scores.items():
            yield {
                "architecture": title,
                "proxy": name,
                "value": score.value if score.finite else None,
                "status": score.status,
            }


proxy_group.add_command(validate_command)
