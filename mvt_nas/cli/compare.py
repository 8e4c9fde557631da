"""``mvt-nas compare``: several runs beside each other."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from mvt_nas.cli.paths import FILE, FOLDER
from mvt_nas.cli.tables import print_json, print_table


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, type=FOLDER, metavar="RUN RUN...")
@click.option("--out", type=FILE, metavar="FILE.html", help="Also write a page with the fronts of all runs in one chart.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of a table.")
def compare_command(runs: tuple[Path, ...], out: Path | None, as_json: bool) -> None:
    """Compare the fronts of several runs with the same objectives.

    Hypervolumes are counted in one box, as shares of what all runs dominate together; joint is how many candidates of a run are on the
    front of all; covered is the share of its front that another run dominates.
    """
    from mvt_nas.engine.run import Run
    from mvt_nas.report.comparing import compare

    loaded = [Run.load(folder) for folder in runs]
    found = compare(loaded)
    if out is not None:
        from mvt_nas.report.page.write import write_page

        write_page(loaded, out)
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [
        [one.run, one.sampler, str(one.seed), str(one.candidates), str(one.front), f"{one.share:.2%}", str(one.joint), f"{one.covered:.0%}"]
        for one in found
    ]
    print_table(["run", "sampler", "seed", "candidates", "front", "hypervolume", "joint", "covered"], rows, text_columns=2)
