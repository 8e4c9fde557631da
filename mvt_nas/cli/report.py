"""``mvt-nas report``: the results of a run as a page, text, a table or a plot."""

from __future__ import annotations

import gc
from pathlib import Path

import click

from mvt_nas.cli.baselines import load_and_add_baselines
from mvt_nas.cli.options import BASELINE
from mvt_nas.cli.parameters import FILE, FOLDER
from mvt_nas.errors import RunError, listing
from mvt_nas.nas.runs.run import Run
from mvt_nas.report.html.page import write_page
from mvt_nas.report.markdown import report
from mvt_nas.report.plots import draw_plot

_FORMATS = {
    ".html": "html",
    ".md": "md",
    ".csv": "csv",
    ".parquet": "parquet",
    ".png": "png",
    ".svg": "svg",
    ".pdf": "pdf",
}


@click.command("report")
@click.argument("run", type=FOLDER)
@click.option(
    "--out",
    type=FILE,
    metavar="FILE",
    help="File to write; its suffix gives the format.  [default: RUN/report.html]",
)
@click.option(
    "--format",
    "format_name",
    metavar="FORMAT",
    help="Format: html, md, csv, parquet, png, svg or pdf.  [default: by --out]",
)
@BASELINE
def report_command(
    run: Path, out: Path | None, format_name: str | None, baselines: tuple[str, ...]
) -> None:
    """Write a report of RUN.

    html is one file that opens from disk: an interactive chart of the front, candidates side by
    side, limits, recommended candidates, dominated published models, common choices of the front,
    importances, growth of the front against random search, failures, provenance. md has the same as
    text. csv and parquet hold all candidates; png, svg and pdf the plot of the front.
    """
    if format_name is not None and format_name not in _FORMATS.values():
        raise RunError(
            f"--format {format_name} is not allowed; one of {listing(_FORMATS.values())}"
        )
    path = out or run / f"report.{format_name or 'html'}"
    format_name = format_name or _FORMATS.get(path.suffix)
    if format_name is None:
        raise RunError(
            f"--out {path}: no format has the suffix {path.suffix!r}; one of {listing(_FORMATS)},"
            " or --format"
        )
    loaded, interrupted = load_and_add_baselines(Run.load(run), baselines)
    # The candidates live until the end, so that the garbage collector need not scan them.
    gc.freeze()
    _write(loaded, path, format_name)
    click.echo(path)
    if interrupted:
        raise KeyboardInterrupt


def _write(run: Run, path: Path, format_name: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if format_name == "html":
            write_page([run], path)
        elif format_name == "md":
            path.write_text(report(run), encoding="utf-8")
        elif format_name in ("csv", "parquet"):
            # Loads pandas.
            from mvt_nas.report.tables import write_candidates

            write_candidates(run, path, format_name)
        else:
            draw_plot(run, path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None
