"""``mvt-nas proxy``: training-free scores, which there are and what they give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from mvt_nas.cli.tables import print_json, print_table
from mvt_nas.cli.validating import validate_command

if TYPE_CHECKING:
    from mvt_nas.proxies.contract import Batch


@click.group("proxy")
def proxy_group() -> None:
    """List training-free scores, score architectures, and say what scores are worth."""


@proxy_group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def list_command(as_json: bool) -> None:
    """List the scores: what they need, and where they are from."""
    from mvt_nas.proxies.contract import PROXIES

    fields = ("name", "direction", "passes", "labelled", "worst", "source")
    entries = [{field: getattr(PROXIES.get(name), field) for field in fields} for name in PROXIES.names()]
    if as_json:
        print_json(entries)
        return
    rows = [[e["name"], e["direction"], e["passes"], "yes" if e["labelled"] else "no", e["source"]] for e in entries]
    print_table(["score", "better", "passes", "labels", "source"], rows, text_columns=5)


@proxy_group.command("score")
@click.argument("architectures", nargs=-1, required=True, metavar="NAME|FILE|RUN:ID|FOLDER...")
@click.option("--proxy", "names", multiple=True, metavar="NAME", help="A score; may be repeated.  [default: all]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the initial weights and of the batch.")
@click.option(
    "--resolution", type=click.IntRange(8, 1024), default=64, show_default=True, metavar="PX", help="Side of the images that are seen."
)
@click.option("--images", type=click.IntRange(2, 1024), default=32, show_default=True, metavar="N", help="Images in the batch.")
@click.option("--data", type=click.Choice(["digits", "noise"]), default="digits", show_default=True, help="What the images show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def score_command(
    architectures: tuple[str, ...], names: tuple[str, ...], seed: int, resolution: int, images: int, data: str, as_json: bool
) -> None:
    """Score architectures with their initial weights.

    A score is no accuracy; it compares networks that were scored alike.
    """
    from mvt_nas.cli.resolve import resolve
    from mvt_nas.proxies.contract import PROXIES

    wanted = [PROXIES.get(name).name for name in names or PROXIES.names()]
    found = [resolve(name)[1] for name in architectures]
    entries = list(_scores(dict(zip(architectures, found, strict=True)), wanted, _batch(data, images, resolution, seed), seed))
    if as_json:
        print_json(entries)
        return
    rows = [[e["architecture"], e["proxy"], "-" if e["value"] is None else f"{e['value']:.6g}", e["status"]] for e in entries]
    print_table(["architecture", "score", "value", "status"], rows, text_columns=2)


def _batch(data: str, images: int, resolution_px: int, seed: int) -> Batch:
    from mvt_nas.proxies.data import digits_batch, noise_batch

    return digits_batch(images, resolution_px, seed) if data == "digits" else noise_batch(images, resolution_px, seed)


def _scores(architectures: dict[str, Any], names: list[str], batch: Batch, seed: int) -> Iterator[dict[str, Any]]:
    """Yield one entry per architecture and score; computed on one thread, so that they repeat to the last digit."""
    from mvt_nas.network import build_model
    from mvt_nas.proxies.data import DIGIT_CLASSES
    from mvt_nas.proxies.suite import score_all
    from mvt_nas.threads import one_torch_thread

    for title, architecture in architectures.items():
        with one_torch_thread():
            scores = score_all(build_model(architecture, num_classes=DIGIT_CLASSES, seed=seed), batch, names)
        for name, score in scores.items():
            yield {"architecture": title, "proxy": name, "value": score.value if score.finite else None, "status": score.status}


proxy_group.add_command(validate_command)
