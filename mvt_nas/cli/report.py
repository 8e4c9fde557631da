"""``mvt-nas report``: what a run found, to look at, to read and to take along."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mvt_nas.cli.baselines import BASELINE
from mvt_nas.cli.parameters import FILE, FOLDER

if TYPE_CHECKING:
    from mvt_nas.nas.runs.run import Run

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
    help="File to write; its suffix says the format.  [default: RUN/report.html]",
)
@click.option(
    "--format",
    "kind",
    metavar="FORMAT",
    help="html, md, csv, parquet, png, svg or pdf.  [default: by --out]",
)
@BASELINE
def report_command(
    run: Path, out: Path | None, kind: str | None, baselines: tuple[str, ...]
) -> None:
    """Write what RUN found.

    html is one file that opens from disk: the front to look around in, candidates side by side,
        limits to try, what to choose, which
    published models are dominated, what the front agrees on, what matters, how the front grew
    against chance, failures, provenance. md says the same as text. csv and parquet hold all
    candidates; png, svg and pdf the picture.
    """
    from mvt_nas.cli.baselines import told_and_measured
    from mvt_nas.errors import RunError, listing
    from mvt_nas.nas.runs.run import Run

    if kind is not None and kind not in _FORMATS.values():
        raise RunError(f"--format {kind} is not allowed; one of {listing(_FORMATS.values())}")
    path = out or run / f"report.{kind or 'html'}"
    kind = kind or _FORMATS.get(path.suffix)
    if kind is None:
        raise RunError(
            f"--out {path}: no format has the suffix {path.suffix!r}; one of {listing(_FORMATS)},"
            " or --format"
        )
    loaded, interrupted = told_and_measured(Run.load(run), baselines)
    gc.freeze()  # the candidates stay, and need not be looked through for garbage again and again
    _write(loaded, path, kind)
    click.echo(path)
    if interrupted:
        raise KeyboardInterrupt


def _write(run: Run, path: Path, kind: str) -> None:
    from mvt_nas.errors import RunError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "html":
            from mvt_nas.report.html.page import write_page

            write_page([run], path)
        elif kind == "md":
            from mvt_nas.report.markdown import report

            path.write_text(report(run), encoding="utf-8")
        elif kind in ("csv", "parquet"):
            from mvt_nas.report.tables import write_candidates

            write_candidates(run, path, kind)
        else:
            from mvt_nas.report.plots import draw_plot

            draw_plot(run, path)
    except OSError as error:
        raise RunError(f"{path}: cannot be written ({error.strerror or error})") from None
