"""``mvt-nas proxy validate``: what training-free scores are worth, by networks that were trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from mvt_nas.cli.tables import print_json, print_table


@click.command("validate")
@click.argument("table", metavar="[TABLE]", type=click.Path(path_type=Path, dir_okay=False), required=False)
@click.option("--proxy", "names", multiple=True, metavar="NAME", help="A score; may be repeated.  [default: all]")
@click.option("--seeds", type=click.IntRange(1, 100), default=2, show_default=True, metavar="N", help="Initial weights per network.")
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, metavar="S", help="Of splits and resamples.")
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="A picture of each score goes there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def validate_command(table: Path | None, names: tuple[str, ...], seeds: int, seed: int, pictures: Path | None, as_json: bool) -> None:
    """Judge scores by a table of trained networks, by default the one that ships: beside counting, and at equal size."""
    from mvt_nas.accuracy.pictures import draw
    from mvt_nas.accuracy.scoring import score_networks
    from mvt_nas.accuracy.shipped import default_table
    from mvt_nas.accuracy.table import read_table
    from mvt_nas.accuracy.validate import validate
    from mvt_nas.proxies.contract import PROXIES

    wanted = [PROXIES.get(name).name for name in names or PROXIES.names()]
    path = table or default_table()
    networks = read_table(path).networks()
    scores = score_networks(networks, wanted, seeds=seeds, listener=_progress)
    verdicts = validate(networks, scores, seed=seed)
    for verdict in verdicts if pictures else ():
        draw(verdict, scores[verdict.proxy], networks, pictures / f"{verdict.proxy}.png")  # type: ignore[operator]  # only with a folder
    if as_json:
        print_json({"table": str(path), "n": len(networks), "proxies": [verdict.to_dict() for verdict in verdicts]})
        return
    header = ["score", "tau", "sign by halves", "given size, depth", "one size", "nDCG@10", "regret", "against counting", "verdict"]
    print_table(header, [_row(verdict) for verdict in verdicts])


def _progress(done: int, total: int) -> None:
    if done % 10 == 0 or done == total:
        click.echo(f"{done}/{total} networks scored", err=True)


def _row(verdict: Any) -> list[str]:
    matched = "" if verdict.tau_matched is None else f"{verdict.tau_matched:.2f}"
    figures = [f"{verdict.tau:.2f}", f"{verdict.tau_split:.2f}", f"{verdict.tau_partial:.2f}", matched, f"{verdict.ndcg10:.2f}"]
    interval = f"{verdict.delta_low:+.2f} to {verdict.delta_high:+.2f}"
    return [verdict.proxy, *figures, f"{verdict.regret:.1f}", interval, verdict.verdict]
